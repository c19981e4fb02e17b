//! Bad input and a failing system: a clear error, nothing lost, and the next run works.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lyra_backup::{BackupManager, CreateOptions, DryRun, SkipReason};
use lyra_errors::{Classify as _, Error, Recovery};
use support::{Place, code, noise, skipped, tree};

#[test]
fn missing_things_are_named() {
    let place = Place::planted();
    let manager = place.manager();
    assert_eq!(code(manager.validate_blocking("lyra_x")), "backup.not_found");
    let restore = manager.restore("lyra_x").to(&place.target);
    assert_eq!(code(restore.clone().dry_run_blocking()), "backup.not_found");
    assert_eq!(code(restore.run_blocking()), "backup.not_found");
    for name in ["../x", "", ".", "a/b"] {
        assert_eq!(code(manager.validate_blocking(name)), "backup.invalid_argument", "{name}");
    }
    let nowhere = |source: PathBuf| {
        let manager = BackupManager::builder(source, &place.backups).build().unwrap();
        code(manager.create_blocking(CreateOptions::default()))
    };
    assert_eq!(nowhere(place.dir.path().join("absent")), "backup.source_not_found");
    assert_eq!(nowhere(place.source.join("block")), "backup.source_not_found");
    assert_eq!(nowhere(place.backups.join("")), "backup.source_not_found");
    assert!(!place.backups.exists(), "a wrong source makes no directory");
    fs::create_dir_all(place.backups.join("inside")).unwrap();
    assert_eq!(nowhere(place.backups.join("inside")), "backup.invalid_argument");
    let metadata = CreateOptions::default().with_metadata("", "x");
    assert_eq!(code(manager.create_blocking(metadata)), "backup.invalid_argument");
    let metadata = CreateOptions::default().with_metadata("x", "y".repeat(70_000));
    assert_eq!(code(manager.create_blocking(metadata)), "backup.invalid_argument");
}

#[test]
fn an_error_tells_its_code_hint_and_path() {
    let place = Place::new();
    let error = place.manager().validate_blocking("lyra_x").unwrap_err();
    let error = Error::from(error);
    assert_eq!(error.code().id(), "backup.not_found");
    assert_eq!(error.recovery(), Recovery::Permanent);
    assert_eq!(error.context().value("name").map(ToString::to_string).as_deref(), Some("lyra_x"));
    assert!(error.code().hint().contains("list"));
    assert!(error.to_json().contains("backup.not_found"));
    assert!(error.location().file().contains("lyra-backup"), "{:?}", error.location());
}

#[test]
fn what_is_not_data_is_left_out_and_named() {
    let place = Place::planted();
    let at = |name: &str| place.source.join(name);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    fs::write(at("lyra.lock"), "{}").unwrap();
    fs::write(at("journal/lyra.lock"), "a file like any other below the root").unwrap();
    fs::create_dir(at(".lyra-backup")).unwrap();
    let made = place.create();
    let skipped: Vec<_> =
        made.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason)).collect();
    assert_eq!(
        skipped,
        [
            (".lyra-backup", SkipReason::ReservedName),
            ("fifo", SkipReason::Fifo),
            ("lyra.lock", SkipReason::StoreLock),
            ("socket", SkipReason::Socket),
        ]
    );
    assert!(!made.is_complete());
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert!(place.target.join("journal/lyra.lock").exists());
    assert!(!place.target.join("fifo").exists());
}

#[test]
fn links_out_of_the_tree_are_told_when_they_are_backed_up() {
    let place = Place::planted();
    symlink("/etc/hostname", place.source.join("out")).unwrap();
    let made = place.create();
    assert_eq!(made.external_symlinks, [Path::new("out")]);
}

/// The child of the next test, which must not be root to be refused anything.
#[test]
fn child_creates_as_nobody() {
    let Some(dir) = std::env::var_os("LYRA_TEST_UNREADABLE").map(PathBuf::from) else { return };
    let manager = BackupManager::builder(dir.join("memory"), dir.join("backups")).build().unwrap();
    let error = manager.create_blocking(CreateOptions::default()).unwrap_err();
    assert_eq!(error.code().id(), "backup.unreadable");
    assert!(error.to_string().contains("secret"), "{error}");
    assert_eq!(fs::read_dir(dir.join("backups")).unwrap().count(), 0, "nothing is left behind");
    fs::remove_dir(dir.join("memory/secret"))
        .or_else(|_| fs::remove_file(dir.join("memory/secret")))
        .unwrap();
    manager.create_blocking(CreateOptions::default()).unwrap();
}

/// The child of the next test.
#[test]
fn child_restores_as_nobody() {
    let Some(dir) = std::env::var_os("LYRA_TEST_UNWRITABLE").map(PathBuf::from) else { return };
    let manager = BackupManager::builder(dir.join("memory"), dir.join("backups")).build().unwrap();
    let name = manager.list().unwrap().backups.remove(0).name;
    let restore = manager.restore(&name).to(dir.join("closed/new/target"));
    assert_eq!(code(restore.clone().dry_run_blocking()), "backup.io");
    assert_eq!(code(restore.run_blocking()), "backup.io");
    manager.restore(&name).to(dir.join("open/target")).dry_run_blocking().unwrap();
    let report = manager.restore(&name).to(dir.join("open/target")).run_blocking().unwrap();
    assert_eq!(report.files, 1);
}

#[test]
fn a_dry_run_tells_that_nothing_can_be_written_there() {
    let place = Place::new();
    fs::write(place.source.join("x"), "x").unwrap();
    let made = place.create();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(place.dir.path().join("closed")).unwrap();
    fs::create_dir(place.dir.path().join("open")).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_restores_as_nobody"]);
    child.env("LYRA_TEST_UNWRITABLE", place.dir.path());
    let root = fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap();
    if root == 0 {
        child.uid(65_534).gid(65_534);
        for path in [place.dir.path(), &place.backups, &place.dir.path().join("open")] {
            open(path, 0o777);
        }
        open(&made.path, 0o644);
    } else {
        open(&place.dir.path().join("closed"), 0o555);
    }
    match child.output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
        Err(e) => {
            skipped("a run as another user", &e.to_string(), "a build folder that all may read");
        }
    }
}

#[test]
fn an_unreadable_file_is_an_error_that_names_it() {
    for directory in [false, true] {
        let place = Place::new();
        fs::create_dir(&place.backups).unwrap();
        let secret = place.source.join("secret");
        if directory {
            fs::create_dir(&secret).unwrap();
        } else {
            fs::write(&secret, "x").unwrap();
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_creates_as_nobody"]);
        child.env("LYRA_TEST_UNREADABLE", place.dir.path());
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let root =
            fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap()
                == 0;
        if root {
            child.uid(65_534).gid(65_534);
            for path in [place.dir.path(), &place.source, &place.backups] {
                open(path, 0o777);
            }
        }
        open(&secret, 0o000);
        match child.output() {
            Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
            Err(e) => {
                skipped(
                    "a run as another user",
                    &e.to_string(),
                    "a build folder that all may read",
                );
            }
        }
    }
}

#[test]
fn files_that_change_while_they_are_read_never_break_the_archive() {
    let place = Place::new();
    let growing = place.source.join("growing.log");
    let shrinking = place.source.join("shrinking.bin");
    let small = place.source.join("small.log");
    fs::write(&growing, noise(3 << 20, 1)).unwrap();
    fs::write(&shrinking, noise(6 << 20, 2)).unwrap();
    fs::write(&small, "x").unwrap();
    fs::write(place.source.join("zz-vanishing"), "x").unwrap();
    let source = place.source.clone();
    let touched = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&touched);
    // The callback runs between the reads, so each change hits its file in the middle.
    let options = CreateOptions::default().with_progress(move |p| {
        let name = p.path.to_str().unwrap();
        let at = source.join(name);
        if p.phase == lyra_backup::Phase::Write && p.bytes_done > 0 {
            if name == "growing.log" {
                File::options().append(true).open(&at).unwrap().write_all(b"more").unwrap();
            } else if name == "shrinking.bin" && !once.swap(true, Ordering::Relaxed) {
                File::options().write(true).open(&at).unwrap().set_len(1 << 20).unwrap();
                fs::remove_file(source.join("zz-vanishing")).unwrap();
            }
        }
        std::ops::ControlFlow::Continue(())
    });
    let manager = place.manager();
    let made = manager.create_blocking(options).unwrap();
    assert_eq!(made.changed, [Path::new("growing.log"), Path::new("shrinking.bin")]);
    let vanished: Vec<_> =
        made.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason)).collect();
    assert_eq!(vanished, [("zz-vanishing", SkipReason::Vanished)]);
    assert!(made.verified && !made.is_complete());
    assert_eq!(manager.list().unwrap().backups[0].changed_files, 2);
    manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(fs::metadata(place.target.join("growing.log")).unwrap().len(), 3 << 20);
    let padded = fs::read(place.target.join("shrinking.bin")).unwrap();
    assert_eq!(padded.len(), 6 << 20);
    assert!(padded.ends_with(&[0; 1 << 20]));
}

#[test]
fn a_directory_that_becomes_a_link_while_it_is_read_leads_nowhere() {
    let place = Place::new();
    let outside = place.dir.path().join("outside");
    for (root, content) in [(place.source.join("d"), b'm'), (outside.clone(), b's')] {
        fs::create_dir_all(root.join("e")).unwrap();
        fs::write(root.join("e/small"), [content; 100]).unwrap();
        fs::write(root.join("e/large"), vec![content; 2 << 20]).unwrap();
        fs::write(root.join("small"), [content; 100]).unwrap();
        symlink(if content == b's' { "secret" } else { "mine" }, root.join("link")).unwrap();
    }
    fs::write(place.source.join("a"), "first").unwrap();
    let (from, away) = (place.source.join("d"), place.dir.path().join("away"));
    let options = CreateOptions::default().with_progress(move |_| {
        if !away.exists() {
            fs::rename(&from, &away).unwrap();
            symlink(&outside, &from).unwrap();
        }
        std::ops::ControlFlow::Continue(())
    });
    let manager = place.manager();
    let made = manager.create_blocking(options).unwrap();
    let vanished: Vec<_> = made.skipped.iter().map(|s| s.path.to_str().unwrap()).collect();
    assert_eq!(vanished, ["d", "d/e", "d/e/large", "d/e/small", "d/link", "d/small"]);
    manager.restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(fs::read_dir(place.target.join("d/e")).unwrap().count(), 0);
}

#[test]
fn a_small_file_under_a_writer_is_whole_or_marked() {
    let place = Place::new();
    let path = place.source.join("small.log");
    fs::write(&path, "0").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, at) = (Arc::clone(&stop), path);
    let writer = std::thread::spawn(move || {
        let mut file = File::options().write(true).open(at).unwrap();
        while !stopped.load(Ordering::Relaxed) {
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&[b'a'; 4000]).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&[b'b'; 4000]).unwrap();
        }
    });
    for _ in 0..5 {
        place.create();
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    for backup in place.manager().list().unwrap().backups {
        place.manager().validate_blocking(&backup.name).unwrap();
    }
}

/// A file system of its own, of a few megabytes, or the reason why there is none.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path, size: &str) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let out = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .output()
            .map_err(|e| e.to_string())?;
        match out.status.success() {
            true => Ok(Self(at.to_owned())),
            false => Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()),
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_next_backup_works() {
    let place = Place::new();
    fs::write(place.source.join("vectors"), noise(3 << 20, 1)).unwrap();
    let _disk = match Tmpfs::mount(&place.backups, "2m") {
        Ok(disk) => disk,
        Err(reason) => return skipped("a file system of its own", &reason, "a test run as root"),
    };
    let manager = place.manager();
    assert_eq!(code(manager.create_blocking(CreateOptions::default())), "backup.disk_full");
    assert_eq!(fs::read_dir(&place.backups).unwrap().count(), 0, "no half file stays");
    fs::write(place.source.join("vectors"), noise(1 << 20, 1)).unwrap();
    let made = place.create();
    // The second doesn't fit beside the first, which is as good as before.
    assert_eq!(code(manager.create_blocking(CreateOptions::default())), "backup.disk_full");
    manager.validate_blocking(&made.name).unwrap();
    assert_eq!(manager.list().unwrap().backups.len(), 1);
}

#[test]
fn wherever_the_disk_gets_full_there_is_a_whole_backup_or_none() {
    let place = Place::new();
    fs::write(place.source.join("vectors"), noise(200_000, 1)).unwrap();
    for i in 0..200 {
        fs::write(place.source.join(format!("journal-{i}")), noise(100, i)).unwrap();
    }
    let disk = match Tmpfs::mount(&place.backups, "1m") {
        Ok(disk) => disk,
        Err(reason) => {
            return skipped("a file system of its own", &reason, "a test run as root");
        }
    };
    let manager = place.manager();
    let size = usize::try_from(place.create().archive_bytes).unwrap();
    let (mut full, mut whole) = (0, 0);
    // One block more room each time, from a quarter of the archive to a little more than all of it.
    for room in (size / 4..size + 6 * 4096).step_by(8192) {
        for entry in fs::read_dir(&disk.0).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        // A child that another test is just starting holds what was removed for a moment.
        let ballast = vec![0; (1 << 20) - room.next_multiple_of(4096)];
        let started = Instant::now();
        while let Err(e) = fs::write(disk.0.join("ballast"), &ballast) {
            assert!(started.elapsed() < Duration::from_secs(10), "{e}");
            std::thread::yield_now();
        }
        let made = manager.create_blocking(CreateOptions::default());
        let listing = manager.list().unwrap();
        assert_eq!(listing.unknown.len(), 1, "the ballast alone");
        if let Ok(made) = made {
            whole += 1;
            manager.validate_blocking(&made.name).unwrap();
        } else {
            full += 1;
            assert_eq!(code(made), "backup.disk_full");
            assert!(listing.backups.is_empty());
            assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 1, "nothing is left behind");
        }
    }
    assert!(full > 10 && whole > 0, "{full} full, {whole} whole");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_snapshot_that_does_not_fit_is_a_full_disk() {
    let place = Place::new();
    let db = rusqlite::Connection::open(place.source.join("memory.db")).unwrap();
    db.execute_batch("CREATE TABLE t(b); INSERT INTO t VALUES (randomblob(3000000))").unwrap();
    drop(db);
    let _disk = match Tmpfs::mount(&place.backups, "1m") {
        Ok(disk) => disk,
        Err(reason) => return skipped("a file system of its own", &reason, "a test run as root"),
    };
    assert_eq!(code(place.manager().create_blocking(CreateOptions::default())), "backup.disk_full");
    assert_eq!(fs::read_dir(&place.backups).unwrap().count(), 0, "no half copy stays");
}

#[test]
fn a_restore_that_does_not_fit_is_refused_before_it_begins() {
    let place = Place::new();
    fs::write(place.source.join("zeros"), vec![0; 4 << 20]).unwrap();
    let made = place.create();
    let small = place.dir.path().join("small");
    let _disk = match Tmpfs::mount(&small, "2m") {
        Ok(disk) => disk,
        Err(reason) => return skipped("a file system of its own", &reason, "a test run as root"),
    };
    let manager = place.manager();
    let target = small.join("memory");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("mine"), "kept").unwrap();
    let restore = manager.restore(&made.name).to(&target);
    assert_eq!(code(restore.clone().dry_run_blocking()), "backup.disk_full");
    assert_eq!(code(restore.run_blocking()), "backup.disk_full");
    assert_eq!(fs::read(target.join("mine")).unwrap(), b"kept");
    assert_eq!(fs::read_dir(&small).unwrap().count(), 1);
    assert_eq!(
        code(manager.restore(&made.name).to(&small).run_blocking()),
        "backup.bad_target",
        "a mount point"
    );
}

#[test]
fn an_unusable_backup_directory_is_an_io_error() {
    let place = Place::planted();
    fs::write(&place.backups, "a file").unwrap();
    let manager = place.manager();
    assert_eq!(code(manager.create_blocking(CreateOptions::default())), "backup.io");
    assert_eq!(code(manager.list()), "backup.io");
    fs::remove_file(&place.backups).unwrap();
    manager.prune_blocking(DryRun::No).unwrap();
    assert_eq!(tree(&place.source), tree(&place.source));
}
