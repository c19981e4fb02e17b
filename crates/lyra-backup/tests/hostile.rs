//! Archives that are made to do harm: each is refused, and nothing is written outside the target.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/forge.rs"]
mod forge;
#[path = "support/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use forge::{Forge, NAME, block, compress, member, member_with, record, seal, seal_compressed};
use serde_json::{Value, json};
use support::{Node, Place, code, tree};
use tar::EntryType;

const MTIME_NS: i64 = 1_700_000_000_000_000_001;

fn put(place: &Place, archive: &[u8]) {
    fs::create_dir_all(&place.backups).unwrap();
    fs::write(place.backups.join(format!("{NAME}.tar.zst")), archive).unwrap();
}

/// Everything but the backup directory, where a verdict may be noted.
fn surroundings(place: &Place) -> BTreeMap<PathBuf, Node> {
    let mut nodes = tree(place.dir.path());
    nodes.retain(|path, _| !path.starts_with("backups") && path.components().count() > 0);
    nodes
}

/// Validates, tries and runs a restore over an existing target; returns the
/// codes, after checking that nothing changed anywhere.
#[track_caller]
fn refused(what: &str, archive: &[u8]) -> &'static str {
    let place = Place::new();
    fs::create_dir(&place.target).unwrap();
    fs::write(place.target.join("mine"), "kept").unwrap();
    fs::create_dir(place.dir.path().join("outside")).unwrap();
    put(&place, archive);
    let manager = place.manager();
    let before = surroundings(&place);
    let started = Instant::now();
    let validated = code(manager.validate_blocking(NAME));
    let restore = manager.restore(NAME).to(&place.target);
    let tried = code(restore.clone().dry_run_blocking());
    let run = code(restore.run_blocking());
    assert_eq!((tried, run), (validated, validated), "{what}");
    assert!(started.elapsed() < Duration::from_secs(20), "{what} took {:?}", started.elapsed());
    assert_eq!(surroundings(&place), before, "{what} left something");
    validated
}

#[test]
fn an_archive_made_by_hand_after_the_format_is_restored() {
    let place = Place::new();
    let mut forge = Forge::new();
    forge.directory("notes");
    forge.file("notes/day.md", b"woke up");
    forge.link("latest", "notes/day.md");
    put(&place, &forge.build());
    let manager = place.manager();
    manager.validate_blocking(NAME).unwrap();
    manager.restore(NAME).to(&place.target).run_blocking().unwrap();
    assert_eq!(fs::read(place.target.join("latest")).unwrap(), b"woke up");
    assert!(manager.list().unwrap().find(NAME).unwrap().status.is_verified());
}

#[test]
fn paths_that_would_leave_the_target_are_refused() {
    for path in [
        "../evil",
        "a/../../evil",
        "/tmp/evil",
        "..",
        "./evil",
        "a//b",
        ".lyra-backup/x",
        "nul\0byte",
    ] {
        let mut forge = Forge::new();
        forge.directory("a");
        forge.file(path, b"evil");
        assert_eq!(refused(path, &forge.build()), "backup.unsafe_member", "{path}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    for target in ["../outside", "/tmp", "."] {
        let mut forge = Forge::new();
        forge.link("d", target);
        forge.file("d/evil", b"evil");
        assert_eq!(refused("a file below a link", &forge.build()), "backup.unsafe_member");
        let mut forge = Forge::new();
        forge.link("d", target);
        forge.directory("d");
        assert_eq!(
            refused("a directory in a link's place", &forge.build()),
            "backup.unsafe_member"
        );
    }
}

#[test]
fn links_that_may_lead_outside_need_to_be_allowed() {
    for (path, target) in [("a/l", "../../x"), ("l", "/etc/passwd"), ("a/l", "up/../..")] {
        let place = Place::new();
        let mut forge = Forge::new();
        forge.directory("a");
        forge.link(path, target);
        put(&place, &forge.build());
        let manager = place.manager();
        // The archive is sound; what it would do is another question.
        manager.validate_blocking(NAME).unwrap();
        let restore = manager.restore(NAME).to(&place.target);
        assert_eq!(code(restore.clone().run_blocking()), "backup.unsafe_member", "{target}");
        assert!(!place.target.exists());
        restore.allow_external_symlinks().run_blocking().unwrap();
        assert_eq!(fs::read_link(place.target.join(path)).unwrap(), PathBuf::from(target));
    }
}

#[test]
fn devices_pipes_and_hard_links_are_refused() {
    let kinds =
        [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::Link, EntryType::GNUSparse];
    for kind in kinds {
        // The manifest calls it a file.
        let mut forge = Forge::new();
        forge.list_file("x", b"");
        forge.push(&member("x", kind, 0o644, MTIME_NS, b""));
        assert_eq!(refused("a device", &forge.build()), "backup.corrupt");
    }
    for kind in ["char", "block", "fifo", "hardlink", ""] {
        let mut forge = Forge::new();
        forge.list(
            json!({"path": "x", "type": kind, "mode": 420, "mtime_ns": 1, "major": 1, "minor": 3}),
        );
        assert_eq!(refused(kind, &forge.build()), "backup.corrupt");
    }
}

#[test]
fn members_and_manifest_must_agree() {
    let mut twice = Forge::new();
    twice.file("x", b"one");
    twice.file("x", b"two");
    assert_eq!(refused("a path listed twice", &twice.build()), "backup.unsafe_member");

    let mut unlisted = Forge::new();
    unlisted.file("x", b"one");
    unlisted.push(&member("x", EntryType::Regular, 0o644, MTIME_NS, b"two"));
    assert_eq!(refused("a member twice, listed once", &unlisted.build()), "backup.corrupt");

    let mut missing = Forge::new();
    missing.file("x", b"one");
    missing.list_file("y", b"two");
    assert_eq!(refused("cut at a member boundary", &missing.build()), "backup.corrupt");

    let mut own_frame = missing.frames.clone();
    own_frame.push(member("y", EntryType::Regular, 0o644, MTIME_NS, b"TWO"));
    let wrong = Forge { frames: own_frame, ..missing };
    assert_eq!(refused("content that differs", &wrong.build()), "backup.corrupt");

    let mut extra_frame = Forge::new();
    extra_frame.frames.push(member("x", EntryType::Regular, 0o644, MTIME_NS, b"one"));
    assert_eq!(refused("a frame of its own, unlisted", &extra_frame.build()), "backup.corrupt");

    for (key, value) in [
        ("totals", json!({"files": 9, "directories": 1, "symlinks": 0, "bytes": 0})),
        ("merkle_root", json!("00".repeat(32))),
        ("header_file", json!({"size": 3, "blake3": "00".repeat(32)})),
        ("name", json!("../../evil")),
        ("format", json!(0)),
        ("entries", json!([])),
    ] {
        let mut forge = Forge::new();
        forge.manifest[key] = value;
        assert_eq!(refused(key, &forge.build()), "backup.corrupt", "{key}");
    }
    for metadata in ["mode", "mtime_ns"] {
        let mut forge = Forge::new();
        forge.file("x", b"one");
        forge.entries[1][metadata] = json!(1);
        assert_eq!(refused(metadata, &forge.build()), "backup.corrupt");
    }
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let mut pax = Forge::new();
    pax.list_file("x", b"");
    pax.push(&block(EntryType::XHeader, b"PaxHeaders/member", 0o644, 1 << 30, 0, b""));
    pax.push(&vec![b'1'; 64 << 20]);
    assert_eq!(refused("a PAX record of 1 GiB", &pax.build()), "backup.corrupt");

    let mut gnu = Forge::new();
    gnu.list_file("x", b"");
    gnu.push(&block(EntryType::GNULongName, b"././@LongLink", 0o644, 1 << 30, 0, b""));
    gnu.push(&vec![b'x'; 64 << 20]);
    assert_eq!(refused("a GNU name of 1 GiB", &gnu.build()), "backup.corrupt");

    let mut more = Forge::new();
    more.file("x", b"ten bytes.");
    more.push(&vec![0; 64 << 20]);
    assert_eq!(refused("more content than listed", &more.build()), "backup.corrupt");

    let mut claimed = Forge::new();
    claimed.file("x", b"ten bytes.");
    claimed.claimed = Some((1, 1 << 40));
    assert_eq!(refused("a manifest of 1 TiB", &claimed.build()), "backup.corrupt");

    let mut huge = Forge::new();
    huge.list(
        json!({"path": "x", "type": "file", "mode": 420, "mtime_ns": MTIME_NS, "size": u64::MAX,
        "blake3": "00".repeat(32)}),
    );
    let place = Place::new();
    put(&place, &huge.build());
    let manager = place.manager();
    assert_eq!(code(manager.validate_blocking(NAME)), "backup.corrupt");
    let run = manager.restore(NAME).to(&place.target).run_blocking();
    assert_eq!(code(run), "backup.disk_full", "asked for before anything is written");
}

/// What `list` took at its highest, in kilobytes; the child of the next test.
#[test]
fn child_lists() {
    let Some(dir) = std::env::var_os("LYRA_TEST_LIST") else { return };
    let manager = lyra_backup::BackupManager::builder(&dir, &dir).build().unwrap();
    let listing = manager.list().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.trim().trim_end_matches(" kB");
    support::say(&format!("{peak} {} {}", listing.backups.len(), listing.unknown.len()));
}

#[test]
fn no_small_archive_makes_a_listing_large() {
    // An archive of 64 KiB, whose manifest may take some megabytes.
    let forge = |field: &str, value: Value| {
        let mut forge = Forge::new();
        forge.file("noise", &support::noise(64 << 10, 1));
        forge.manifest[field] = value;
        forge
    };
    for (what, forge, listed) in [
        ("unknown", forge("later", json!(vec![Value::Array(vec![]); 2_000_000])), true),
        ("requires", forge("requires", json!(vec![""; 2_000_000])), false),
        ("padding", forge("later", json!(" ".repeat(100 << 20))), false),
    ] {
        let place = Place::in_memory();
        let archive = forge.build();
        put(&place, &archive);
        let out = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_lists", "--nocapture"])
            .env("LYRA_TEST_LIST", &place.backups)
            .output()
            .unwrap();
        let told = String::from_utf8(out.stderr).unwrap();
        let numbers: Vec<u64> = told.split_whitespace().map(|n| n.parse().unwrap()).collect();
        assert!(numbers[0] < 64 << 10, "{what}: {} kB for {} bytes", numbers[0], archive.len());
        assert_eq!(numbers[1..], [u64::from(listed), u64::from(!listed)], "{what}");
    }
}

#[test]
fn the_layout_has_one_form_only() {
    let mut forge = Forge::new();
    forge.file("x", b"one");
    let good = forge.build();
    assert_eq!(
        refused("a second archive behind it", &[&good[..], &good].concat()),
        "backup.corrupt"
    );

    // Right digests all through, but something zstd would skip, or not check.
    let frames = |forge: &Forge| -> Vec<(Vec<u8>, u64)> {
        let decoded = zstd::decode_all(good.as_slice()).unwrap();
        let split = forge.frames[0].len();
        [&decoded[..split], &decoded[split..]].map(|f| (compress(f), f.len() as u64)).into()
    };
    let mut skippable = frames(&forge);
    skippable[0].0.extend_from_slice(&[0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(
        refused("a skippable frame between", &seal_compressed(&skippable)),
        "backup.corrupt"
    );
    let mut checksum = frames(&forge);
    *checksum[0].0.last_mut().unwrap() ^= 1;
    assert_eq!(refused("a wrong zstd checksum", &seal_compressed(&checksum)), "backup.corrupt");

    let mut inside = Forge::new();
    inside.file("x", &[7; 2048]);
    let whole = inside.frames.remove(0);
    let (head, tail) = whole.split_at(whole.len() - 1024);
    inside.frames = vec![head.to_vec(), tail.to_vec()];
    assert_eq!(refused("a frame that begins inside a member", &inside.build()), "backup.corrupt");

    let mut padding = Forge::new();
    padding.file("x", b"one");
    *padding.frames[0].last_mut().unwrap() = 1;
    assert_eq!(refused("padding that is not zero", &padding.build()), "backup.corrupt");
    assert_eq!(refused("frames without a manifest", &seal(&forge.frames, None)), "backup.corrupt");
    assert_eq!(refused("an empty file", b""), "backup.corrupt");
    assert_eq!(refused("noise", &support::noise(5000, 1)), "backup.corrupt");
}

/// Archives with right digests and a few wrong bytes anywhere below them.
#[test]
fn mutated_archives_neither_panic_nor_escape() {
    let place = Place::in_memory();
    let mut forge = Forge::new();
    forge.directory("a");
    forge.file("a/notes", b"woke up");
    forge.link("a/l", "notes");
    let decoded = zstd::decode_all(forge.build().as_slice()).unwrap();
    let split = forge.frames[0].len();
    let manager = place.manager();
    let before = surroundings(&place);
    let mut random = support::Random::seeded();
    let mut sound = 0;
    for round in 0..2000 {
        let mut bytes = decoded.clone();
        for _ in 0..=random.below(3) {
            // Mostly in the manifest, which decides everything.
            let at = if random.below(4) == 0 {
                random.below(split)
            } else {
                split + random.below(bytes.len() - split)
            };
            bytes[at] = match random.below(4) {
                0 => u8::try_from(random.below(256)).unwrap(),
                1 => b"0129./\\\"{}[]-e"[random.below(14)],
                _ => bytes[at] ^ (1 << random.below(8)),
            };
        }
        put(&place, &seal(&[bytes[..split].to_vec(), bytes[split..].to_vec()], None));
        let valid = manager.validate_blocking(NAME).is_ok();
        let restored = manager.restore(NAME).to(&place.target).run_blocking().is_ok();
        assert!(valid || !restored, "round {round}: restored what does not validate");
        sound += usize::from(valid);
        if restored {
            fs::remove_dir_all(&place.target).unwrap();
            for previous in place.siblings() {
                fs::remove_dir_all(place.dir.path().join(previous)).unwrap();
            }
        }
        assert_eq!(surroundings(&place), before, "round {round}");
    }
    support::say(&format!("{sound} of 2000 mutants are sound archives of something else"));
}

#[test]
fn what_later_versions_add_is_tolerated_or_named() {
    let place = Place::new();
    let mut forge = Forge::new();
    forge.list_file("x", b"one");
    forge.entries[1]["xattrs"] = json!({"user.mood": "calm"});
    forge.entries[1]["consistency"] = json!("hnsw-rebuild-advised");
    let xattr = record("SCHILY.xattr.user.mood", b"calm\nand = steady");
    forge.push(&member_with("x", EntryType::Regular, 0o644, MTIME_NS, b"one", &xattr));
    forge.manifest["tags"] = json!(["nightly"]);
    forge.manifest["base"] = json!({"name": "other"});
    put(&place, &forge.build());
    place.manager().validate_blocking(NAME).unwrap();
    place.manager().restore(NAME).to(&place.target).run_blocking().unwrap();
    assert_eq!(fs::read(place.target.join("x")).unwrap(), b"one");

    let mut deltas = Forge::new();
    deltas.manifest["requires"] = json!(["deltas"]);
    assert_eq!(refused("a required feature", &deltas.build()), "backup.newer_format");
    let mut second = Forge::new();
    second.manifest["format"] = json!(2);
    assert_eq!(refused("a later format", &second.build()), "backup.newer_format");
}

#[test]
fn set_user_id_is_never_restored() {
    let place = Place::new();
    let mut forge = Forge::new();
    forge.list_file("x", b"one");
    forge.entries[1]["mode"] = json!(0o6755);
    forge.push(&member("x", EntryType::Regular, 0o6755, MTIME_NS, b"one"));
    put(&place, &forge.build());
    place.manager().restore(NAME).to(&place.target).run_blocking().unwrap();
    let mode = fs::metadata(place.target.join("x")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn directories_keep_what_says_who_may_do_what_in_them() {
    let place = Place::new();
    let mut forge = Forge::new();
    for (path, mode) in [("open", 0o1777), ("shared", 0o2775), ("odd", 0o6755)] {
        forge.list(json!({"path": path, "type": "directory", "mode": mode, "mtime_ns": MTIME_NS}));
        forge.push(&member(path, EntryType::Directory, mode, MTIME_NS, b""));
    }
    put(&place, &forge.build());
    let manager = place.manager();
    manager.restore(NAME).to(&place.target).run_blocking().unwrap();
    let mode =
        |path: &str| fs::metadata(place.target.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("open"), mode("shared"), mode("odd")], [0o1777, 0o2775, 0o2755]);
    let plan = manager.restore(NAME).to(&place.target).dry_run_blocking().unwrap();
    assert_eq!(plan.diff.unchanged, 4);
    fs::set_permissions(place.target.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let plan = manager.restore(NAME).to(&place.target).dry_run_blocking().unwrap();
    assert_eq!(plan.diff.changed, [PathBuf::from("open")]);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_snapshot_that_is_no_database_is_not_put_in_place() {
    let place = Place::new();
    let mut forge = Forge::new();
    forge.list_file("memory.db", &[7; 4096]);
    forge.entries[1]["consistency"] = json!("sqlite-snapshot");
    forge.push(&member("memory.db", EntryType::Regular, 0o644, MTIME_NS, &[7; 4096]));
    put(&place, &forge.build());
    let manager = place.manager();
    manager.validate_blocking(NAME).unwrap();
    let restore = manager.restore(NAME).to(&place.target);
    assert_eq!(code(restore.run_blocking()), "backup.corrupt");
    assert!(!place.target.exists() && place.siblings().is_empty());
}
