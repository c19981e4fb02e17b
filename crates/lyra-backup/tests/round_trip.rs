//! What is restored is what was backed up, whoever reads the archive.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::fs;
use std::process::Command;

use lyra_backup::{BackupManager, CreateOptions, SkipReason, Verify};
use support::{Place, noise, tree};

#[test]
fn a_restored_tree_equals_the_source_bit_for_bit() {
    let place = Place::planted();
    let manager = place.manager();
    let made = manager
        .create_blocking(CreateOptions::default().with_metadata("reason", "nightly"))
        .unwrap();
    assert!(made.verified && made.is_complete(), "{made:?}");
    assert_eq!((made.files, made.symlinks, made.directories), (6, 3, 7), "{made:?}");
    let report = manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(report.files, made.files);
    assert_eq!(report.previous, None);
    assert_eq!(tree(&place.target), tree(&place.source));
    assert_eq!(place.siblings(), [""; 0], "nothing stays beside a new target");
    let listed = manager.list().unwrap();
    let info = listed.find(&made.name).unwrap();
    assert_eq!(info.metadata["reason"], "nightly");
    assert!(info.status.is_verified());
}

#[test]
fn stock_tar_lists_and_extracts_it() {
    if Command::new("zstd").arg("--version").output().is_err() {
        support::skipped("stock tar", "no zstd command", "apt-get install zstd");
        return;
    }
    let place = Place::planted();
    let made = place.create();
    let listed = Command::new("tar").arg("--zstd").arg("-tf").arg(&made.path).output().unwrap();
    assert!(listed.status.success() && listed.stderr.is_empty(), "{listed:?}");
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let first = format!("{}/.lyra-backup/header.json\n{}/\n", made.name, made.name);
    assert!(names.starts_with(&first), "{names}");
    assert!(names.ends_with("/.lyra-backup/manifest.json\n"), "{names}");
    let out = place.dir.path().join("by-tar");
    fs::create_dir(&out).unwrap();
    let extract = Command::new("tar")
        .args(["--zstd", "-xpf"])
        .arg(&made.path)
        .arg("-C")
        .arg(&out)
        .output()
        .unwrap();
    // GNU tar remarks on the time before 1970, and sets it.
    assert!(extract.status.success(), "{extract:?}");
    let root = out.join(&made.name);
    fs::remove_dir_all(root.join(".lyra-backup")).unwrap();
    let (mut found, mut wanted) = (tree(&root), tree(&place.source));
    // Removing the reserved directory touched the root's time.
    found.remove(std::path::Path::new(""));
    wanted.remove(std::path::Path::new(""));
    assert_eq!(found, wanted);
}

#[test]
fn python_reads_it_as_well() {
    let script = "import sys, tarfile\n\
        t = tarfile.open(fileobj=sys.stdin.buffer, mode='r|')\n\
        print(sum(1 for _ in t))";
    if Command::new("python3").arg("--version").output().is_err()
        || Command::new("zstd").arg("--version").output().is_err()
    {
        support::skipped(
            "python tarfile",
            "no python3 or no zstd command",
            "apt-get install python3 zstd",
        );
        return;
    }
    let place = Place::planted();
    let made = place.create();
    let pipe = format!("zstd -dc '{}' | python3 -c \"$SCRIPT\"", made.path.display());
    let out = Command::new("sh").arg("-c").arg(pipe).env("SCRIPT", script).output().unwrap();
    let members = made.files + made.directories + made.symlinks + 2;
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), members.to_string(), "{out:?}");
}

#[test]
fn a_source_of_many_frames_comes_back() {
    let place = Place::new();
    for i in 0..6 {
        fs::write(place.source.join(format!("big-{i}")), noise((4 << 20) + i, i as u64)).unwrap();
    }
    let made = place.create();
    let manager = place.manager();
    manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(tree(&place.target), tree(&place.source));
    assert!(made.archive_bytes > 24 << 20);
}

#[test]
fn an_empty_source_is_a_backup_too() {
    let place = Place::new();
    let made = place.create();
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(tree(&place.target), tree(&place.source));
}

#[test]
fn backups_inside_the_source_leave_themselves_out() {
    let place = Place::planted();
    let inside = place.source.join("backups");
    let manager = BackupManager::builder(&place.source, &inside).build().unwrap();
    manager.create_blocking(CreateOptions::default()).unwrap();
    let second = manager.create_blocking(CreateOptions::default()).unwrap();
    assert!(second.is_complete());
    let left_out: Vec<_> =
        second.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason)).collect();
    assert_eq!(left_out, [("backups", SkipReason::BackupDirectory)]);
    manager.restore(&second.name).to(&place.target).run_blocking().unwrap();
    assert!(!place.target.join("backups").exists());
}

#[test]
fn backups_of_the_same_instant_have_names_of_their_own() {
    let place = Place::planted();
    let clock = lyra_backup::ManualClock::new("2026-11-23T02:30:00Z".parse().unwrap());
    let manager =
        BackupManager::builder(&place.source, &place.backups).with_clock(clock).build().unwrap();
    let options = CreateOptions::default().with_verify(Verify::No);
    let names: std::collections::HashSet<_> =
        (0..5).map(|_| manager.create_blocking(options.clone()).unwrap().name).collect();
    assert_eq!(names.len(), 5);
    assert_eq!(manager.list().unwrap().backups.len(), 5);
    assert!(names.iter().all(|n| n.starts_with("lyra_20261123T023000.000Z_")), "{names:?}");
}

#[test]
fn progress_is_told_and_can_stop_the_work() {
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let place = Place::planted();
    let manager = place.manager();
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let options = CreateOptions::default().with_progress(move |p| {
        assert!(p.members_done <= p.members_total && p.bytes_done <= p.bytes_total);
        count.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    let made = manager.create_blocking(options).unwrap();
    assert!(seen.load(Ordering::Relaxed) >= 32);

    let stop = CreateOptions::default().with_progress(|p| match p.members_done {
        0..5 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert_eq!(support::code(manager.create_blocking(stop)), "backup.cancelled");
    assert_eq!(fs::read_dir(&place.backups).unwrap().count(), 2, "one archive and its sidecar");
    let stopped = manager
        .restore(&made.name)
        .to(&place.target)
        .with_progress(|_| ControlFlow::Break(()))
        .run_blocking();
    assert_eq!(support::code(stopped), "backup.cancelled");
    assert!(!place.target.exists() && place.siblings().is_empty());
}

#[test]
fn many_may_back_up_and_prune_in_one_directory_at_once() {
    let place = Place::planted();
    let manager = place.manager();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    manager.create_blocking(CreateOptions::default()).unwrap();
                    // Another one may be at it, which is told at once.
                    let _ = manager.prune_blocking(lyra_backup::DryRun::No);
                }
            });
        }
    });
    let listing = manager.list().unwrap();
    assert_eq!((listing.backups.len(), listing.unknown.len()), (20, 0));
    let progressed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = std::sync::Arc::clone(&progressed);
    manager
        .validate_with_progress_blocking(&listing.backups[7].name, move |_| {
            told.store(true, std::sync::atomic::Ordering::Relaxed);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert!(progressed.load(std::sync::atomic::Ordering::Relaxed));
}

#[cfg(not(feature = "sqlite"))]
#[test]
fn without_the_feature_a_database_is_copied_and_told() {
    let place = Place::new();
    let mut database = b"SQLite format 3\0".to_vec();
    database.resize(4096, 1);
    fs::write(place.source.join("memory.db"), &database).unwrap();
    fs::write(place.source.join("memory.db-wal"), "kept").unwrap();
    let made = place.create();
    assert_eq!(made.sqlite_unsnapshotted[0].path, std::path::Path::new("memory.db"));
    assert!(!made.is_complete());
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(tree(&place.target), tree(&place.source));
}
