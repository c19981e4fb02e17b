//! Archives that were written once, and that every later version must read.
//!
//! A golden archive is never made anew: a new one is added when the format
//! gains something. `LYRA_GOLDEN=1 cargo test -p lyra-backup --test golden`
//! writes the tree of `plant_golden` to `tests/golden/` under a new name.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lyra_backup::{BackupManager, CreateOptions};
use support::{Place, noise, set_mtime, tree};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// What every golden archive holds, made the same each time: modes and times are set.
fn plant_golden(root: &Path) {
    let long = "a-rather-long-name-".repeat(7);
    let files: [(&[u8], Vec<u8>); 5] = [
        (b"journal/day.md", b"woke up\n".to_vec()),
        (b"journal/empty", Vec::new()),
        (b"caf\xe9", b"a name that is not UTF-8".to_vec()),
        (b"vectors.bin", noise(3000, 42)),
        (long.as_bytes(), b"a path longer than 100 bytes".to_vec()),
    ];
    fs::create_dir(root.join("journal")).unwrap();
    for (name, content) in &files {
        fs::write(root.join(OsStr::from_bytes(name)), content).unwrap();
    }
    symlink("journal/day.md", root.join("today")).unwrap();
    let mode =
        |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (i, (name, _)) in files.iter().enumerate() {
        let path = root.join(OsStr::from_bytes(name));
        let time = UNIX_EPOCH + Duration::new(1_700_000_000 + i as u64, 123_456_789);
        set_mtime(&path, time);
        mode(path, 0o640);
    }
    set_mtime(&root.join("journal/empty"), UNIX_EPOCH - Duration::new(1, 1));
    for dir in [root.join("journal"), root.to_owned()] {
        mode(dir.clone(), 0o750);
        set_mtime(&dir, UNIX_EPOCH + Duration::new(1_600_000_000, 5));
    }
}

#[test]
fn every_golden_archive_is_read() {
    let place = Place::new();
    plant_golden(&place.source);
    if std::env::var_os("LYRA_GOLDEN").is_some() {
        let made = place.manager().create_blocking(CreateOptions::default()).unwrap();
        fs::copy(made.path, golden().join(format!("{}.tar.zst", made.name))).unwrap();
    }
    fs::create_dir_all(&place.backups).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(golden()).unwrap() {
        let entry = entry.unwrap();
        let file_name = entry.file_name().into_string().unwrap();
        let Some(name) = file_name.strip_suffix(".tar.zst") else { continue };
        fs::copy(entry.path(), place.backups.join(&file_name)).unwrap();
        let manager = BackupManager::builder(&place.source, &place.backups).build().unwrap();
        manager.validate_blocking(name).unwrap();
        assert!(manager.list().unwrap().find(name).is_some(), "{name}");
        manager.restore(name).to(&place.target).run_blocking().unwrap();
        let (mut found, mut wanted) = (tree(&place.target), tree(&place.source));
        // A link's own time can't be set by std, so the source's is of today.
        found.remove(Path::new("today"));
        wanted.remove(Path::new("today"));
        assert_eq!(found, wanted, "{name}");
        assert_eq!(fs::read_link(place.target.join("today")).unwrap(), Path::new("journal/day.md"));
        count += 1;
    }
    assert!(count >= 1, "the golden archives are gone");
}
