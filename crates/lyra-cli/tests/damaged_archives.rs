//! A backup that is damaged, cut or hostile is refused, and nothing is
//! written because of it.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "../../lyra-backup/tests/support/forge.rs"]
#[allow(dead_code, reason = "only a part of the forge is needed here")]
mod forge;
#[path = "support/lyra.rs"]
mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{Place, Random, skipped};

const FLIPS: usize = 100;

#[test]
fn one_flipped_bit_anywhere_is_found_without_the_sidecar() {
    let mut random = Random::seeded("one_flipped_bit");
    let (place, name, archive) = backed_up();
    let intact = std::fs::read(&archive).unwrap();
    for flip in 0..FLIPS {
        let mut bytes = intact.clone();
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        let bit = random.below(8);
        bytes[at] ^= 1 << bit;
        put(&place, &archive, &bytes);
        let ran = place.run(&format!("backup validate {name}"));
        assert_eq!(ran.code, 4, "flip {flip}, bit {bit} of byte {at}: {}", ran.stderr);
    }
    put(&place, &archive, &intact);
    place.done(&format!("backup validate {name}"));
}

#[test]
fn an_archive_that_is_cut_anywhere_is_found_and_never_restored() {
    let mut random = Random::seeded("an_archive_that_is_cut");
    let (place, name, archive) = backed_up();
    let intact = std::fs::read(&archive).unwrap();
    for _ in 0..10 {
        let length = usize::try_from(random.below(intact.len() as u64)).unwrap();
        put(&place, &archive, &intact[..length]);
        let error = place.fails(&format!("backup validate {name}"), 4);
        assert_eq!(error["code"], "backup.corrupt", "{error}");
        place.fails(&format!("backup restore {name} --target elsewhere"), 4);
        place.fails(&format!("backup restore {name} --target memory --yes"), 4);
        assert!(!place.join("elsewhere").exists());
        assert_eq!(place.json("memory count")["count"], 1);
    }
}

#[test]
fn an_archive_that_would_write_outside_the_target_is_refused() {
    for member in ["../evil", "/tmp/lyra-evil", "a/../../evil"] {
        let place = Place::new();
        let mut forge = forge::Forge::new();
        forge.file(member, b"evil");
        place.write(&format!("backups/{}.tar.zst", forge::NAME), forge.build());
        let validate = place.fails(&format!("backup validate {}", forge::NAME), 4);
        assert_eq!(validate["code"], "backup.unsafe_member", "{member}: {validate}");
        place.fails(&format!("backup restore {} --target target", forge::NAME), 4);
        place.fails(&format!("backup restore {} --target target --dry-run", forge::NAME), 4);
        assert_eq!(place.names("."), ["backups"], "{member}");
        assert!(!PathBuf::from("/tmp/lyra-evil").exists());
    }
}

#[test]
fn stock_tools_list_an_intact_archive() {
    let (_place, name, archive) = backed_up();
    let listed = Command::new("tar").arg("--zstd").arg("-tf").arg(&archive).output();
    let listed = match listed {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout).unwrap(),
        failed => {
            let reason = match failed {
                Ok(failed) => String::from_utf8_lossy(&failed.stderr).trim().replace('\n', "; "),
                Err(error) => error.to_string(),
            };
            skipped("stock_tools_list_an_intact_archive", &reason, "`apt-get install tar zstd`");
            return;
        }
    };
    let members: Vec<_> = listed.lines().collect();
    assert!(members.contains(&format!("{name}/memory.sqlite3").as_str()), "{listed}");
}

/// A store of one entry, its backup's name, and the archive.
fn backed_up() -> (Place, String, PathBuf) {
    let place = Place::new();
    place.run_with_stdin("memory add -", r#"{"kind":"fact","content":"The moon is far."}"#);
    let made = place.json("backup create");
    let archive = made["path"].as_str().unwrap().into();
    (place, made["name"].as_str().unwrap().to_owned(), archive)
}

/// Puts other bytes in the archive's place, and takes its sidecar away.
fn put(place: &Place, archive: &PathBuf, bytes: &[u8]) {
    for name in place.names("backups").iter().filter(|name| name.ends_with(".json")) {
        std::fs::remove_file(place.join("backups").join(name)).unwrap();
    }
    std::fs::write(archive, bytes).unwrap();
}
