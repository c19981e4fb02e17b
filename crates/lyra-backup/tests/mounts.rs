//! What is mounted in a tree is not the tree's: no restore moves it and no removal empties it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lyra_backup::{discard_previous_blocking, rollback_blocking};
use support::{Place, code, skipped};

/// Unmounts when it goes.
struct Mounted(PathBuf);

impl Mounted {
    /// The directory `from` at `at` as well, within one file system.
    fn bind(from: &Path, at: &Path) -> Option<Self> {
        Self::run(&[OsStr::new("--bind"), from.as_os_str()], at)
    }

    fn memory(at: &Path) -> Option<Self> {
        Self::run(&["-t", "tmpfs", "tmpfs"].map(OsStr::new), at)
    }

    fn run(args: &[&OsStr], at: &Path) -> Option<Self> {
        let out = Command::new("mount").args(args).arg(at).output().unwrap();
        if out.status.success() {
            return Some(Self(at.to_owned()));
        }
        skipped("a mount", &String::from_utf8_lossy(&out.stderr), "a test run as root");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_target_with_a_mount_in_it_is_refused_and_stays() {
    let place = Place::planted();
    let made = place.create();
    let data = place.dir.path().join("data");
    let sub = place.target.join("a b/sub");
    fs::create_dir_all(&sub).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(data.join("precious"), "p").unwrap();
    let manager = place.manager();
    let restore = manager.restore(&made.name).to(&place.target);
    for mount in [Mounted::bind(&data, &sub), Mounted::memory(&sub)] {
        let Some(mount) = mount else { return };
        assert_eq!(code(restore.clone().dry_run_blocking()), "backup.bad_target");
        assert_eq!(code(restore.clone().run_blocking()), "backup.bad_target");
        assert_eq!(code(manager.restore(&made.name).to(&sub).run_blocking()), "backup.bad_target");
        drop(mount);
    }
    assert_eq!(fs::read(data.join("precious")).unwrap(), b"p");
    assert!(place.siblings().is_empty(), "{:?}", place.siblings());
    restore.run_blocking().unwrap();
}

#[test]
fn a_kept_tree_with_a_mount_in_it_is_not_removed_and_stops_nothing() {
    for same_file_system in [true, false] {
        let place = Place::planted();
        let made = place.create();
        let manager = place.manager();
        let restore = manager.restore(&made.name).to(&place.target);
        let data = place.dir.path().join("data");
        fs::create_dir_all(place.target.join("sub")).unwrap();
        fs::create_dir(&data).unwrap();
        let previous = restore.clone().run_blocking().unwrap().previous.unwrap();
        let sub = previous.join("sub");
        let mounted =
            if same_file_system { Mounted::bind(&data, &sub) } else { Mounted::memory(&sub) };
        let Some(mount) = mounted else { return };
        fs::write(sub.join("precious"), "p").unwrap();
        let kept = || fs::read(sub.join("precious")).is_ok_and(|content| content == b"p");

        assert_eq!(code(discard_previous_blocking(&place.target)), "backup.io");
        assert!(kept() && previous.exists());
        // A later restore succeeds, and leaves what it can't remove.
        restore.clone().run_blocking().unwrap();
        restore.clone().run_blocking().unwrap();
        rollback_blocking(&place.target).unwrap();
        assert!(kept(), "{:?}", place.siblings());
        drop(mount);
        restore.run_blocking().unwrap();
        discard_previous_blocking(&place.target).unwrap();
        assert!(place.siblings().is_empty(), "{:?}", place.siblings());
        assert_eq!(data.join("precious").exists(), same_file_system);
    }
}

#[test]
fn a_leftover_with_a_mount_in_it_stops_nothing() {
    let place = Place::planted();
    let made = place.create();
    let manager = place.manager();
    let leftover = place.dir.path().join(".restored.restore-abc123");
    let data = place.dir.path().join("data");
    fs::create_dir_all(leftover.join("sub")).unwrap();
    fs::create_dir(&data).unwrap();
    let Some(mount) = Mounted::bind(&data, &leftover.join("sub")) else { return };
    fs::write(data.join("precious"), "p").unwrap();
    let restore = manager.restore(&made.name).to(&place.target);
    restore.clone().run_blocking().unwrap();
    restore.clone().run_blocking().unwrap();
    rollback_blocking(&place.target).unwrap();
    discard_previous_blocking(&place.target).unwrap();
    assert_eq!(fs::read(leftover.join("sub/precious")).unwrap(), b"p");
    drop(mount);
    restore.run_blocking().unwrap();
    assert!(!leftover.exists() && data.join("precious").exists());
}

#[test]
fn a_file_that_says_less_than_it_holds_ends() {
    let place = Place::new();
    let file = place.source.join("symbols");
    fs::write(&file, "").unwrap();
    let Some(_mount) = Mounted::bind(Path::new("/proc/kallsyms"), &file) else { return };
    let made = place.create();
    assert_eq!((made.files, made.content_bytes), (1, 0));
}

#[test]
fn a_target_that_its_file_system_can_not_move_is_a_bad_one() {
    let place = Place::planted();
    let made = place.create();
    // The layers above need a file system that can hold them, which is what tmpfs is.
    let [layers, merged] = ["layers", "merged"].map(|name| place.dir.path().join(name));
    fs::create_dir(&layers).unwrap();
    fs::create_dir(&merged).unwrap();
    let Some(_memory) = Mounted::memory(&layers) else { return };
    for name in ["lower/target", "upper", "work"] {
        fs::create_dir_all(layers.join(name)).unwrap();
    }
    fs::write(layers.join("lower/target/mine"), "kept").unwrap();
    let at = |name: &str| layers.join(name).display().to_string();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", at("lower"), at("upper"), at("work"));
    let args = ["-t", "overlay", "-o", &options, "overlay"].map(OsStr::new);
    let Some(_overlay) = Mounted::run(&args, &merged) else { return };
    let target = merged.join("target");
    let manager = place.manager();
    assert_eq!(code(manager.restore(&made.name).to(&target).run_blocking()), "backup.bad_target");
    let names = |dir: &Path| fs::read_dir(dir).unwrap().count();
    assert_eq!((names(&merged), names(&target)), (1, 1), "nothing is left behind");
    manager.restore(&made.name).to(target.join("inside")).run_blocking().unwrap();
}
