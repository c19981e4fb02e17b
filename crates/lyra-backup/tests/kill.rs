//! A process that is killed while it backs up or restores loses nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lyra_backup::{BackupManager, CreateOptions};
use support::{Node, Place, Random, noise, tree};

const KILLS: usize = 50;
const ROLE: &str = "LYRA_TEST_ROLE";

/// What the child does: this binary again, with its role in the environment.
/// Without a role the test passes at once.
#[test]
fn child_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let at = |key: &str| std::env::var_os(key).unwrap();
    let manager = BackupManager::builder(at("SOURCE"), at("BACKUPS")).build().unwrap();
    match role.as_str() {
        "create" => {
            manager.create_blocking(CreateOptions::default()).unwrap();
        }
        "restore" => {
            let name = at("NAME").into_string().unwrap();
            manager.restore(name).to(at("TARGET")).run_blocking().unwrap();
        }
        "rollback" => lyra_backup::rollback_blocking(at("TARGET")).unwrap(),
        other => panic!("no such role: {other}"),
    }
}

fn spawn(place: &Place, role: &str, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_role", "--nocapture"])
        .env(ROLE, role)
        .env("SOURCE", &place.source)
        .env("BACKUPS", &place.backups)
        .env("TARGET", &place.target)
        .env("NAME", name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The tree but for the lock file that a kill in the instant of the exchange
/// leaves, empty, and the time that its making gave the root.
fn data(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = tree(root);
    if let Some(Node::File { content, .. }) = nodes.remove(Path::new("lyra.lock")) {
        assert!(content.is_empty());
    }
    if let Some(Node::Directory { mtime, .. }) = nodes.get_mut(Path::new("")) {
        *mtime = (0, 0);
    }
    nodes
}

/// How long the role takes when nothing disturbs it.
fn undisturbed(place: &Place, role: &str, name: &str) -> Duration {
    let started = Instant::now();
    assert!(spawn(place, role, name).wait().unwrap().success());
    started.elapsed()
}

/// Kills the role after a part of its time; says whether it was still running.
fn kill_after(place: &Place, role: &str, name: &str, wait: Duration) -> bool {
    kill(spawn(place, role, name), wait)
}

fn kill(mut child: Child, wait: Duration) -> bool {
    std::thread::sleep(wait); // tidy: sleep - the moment of the kill is what is random here
    child.kill().unwrap();
    child.wait().unwrap().signal().is_some()
}

/// Kills the role soon after its journal appears, which is when trees move.
fn kill_in_the_exchange(place: &Place, role: &str, name: &str, wait: Duration) -> bool {
    let mut child = spawn(place, role, name);
    let journal = place.dir.path().join(".restored.restore-journal");
    while !journal.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    kill(child, wait)
}

fn random_wait(random: &mut Random, whole: Duration) -> Duration {
    // A little more than the whole, so that its last steps are hit as well.
    let micros = usize::try_from(whole.as_micros()).unwrap();
    Duration::from_micros(random.below(micros + micros / 10) as u64)
}

fn plant_version(dir: &Path, version: u64) {
    for sub in 0..4_u64 {
        fs::create_dir_all(dir.join(format!("d{sub}"))).unwrap();
        for file in 0..10_u64 {
            let content =
                noise(2000 + usize::try_from(file).unwrap(), version * 100 + sub * 10 + file);
            fs::write(dir.join(format!("d{sub}/f{file}")), content).unwrap();
        }
    }
    fs::write(dir.join(format!("only-in-{version}")), "x").unwrap();
}

#[test]
fn a_restore_killed_at_any_moment_leaves_the_old_tree_or_the_new() {
    let place = Place::new();
    plant_version(&place.source, 1);
    let made = place.create();
    let new = data(&place.source);
    plant_version(&place.target, 2);
    let old = data(&place.target);
    let whole = undisturbed(&place, "restore", &made.name);
    let mut random = Random::seeded();
    let (mut killed, mut left_old, mut left_new) = (0, 0, 0);
    let mut rounds = 0;
    while killed < KILLS {
        rounds += 1;
        assert!(rounds < 5 * KILLS, "the moments missed: {killed} of {rounds}");
        // Back to the old tree, whatever the last round left.
        if data(&place.target) != old {
            lyra_backup::rollback_blocking(&place.target).unwrap();
            if data(&place.target) != old {
                fs::remove_dir_all(&place.target).unwrap();
                plant_version(&place.target, 2);
            }
        }
        let old = data(&place.target);
        let (name, in_the_exchange) = (&made.name, rounds % 2 == 0);
        killed += usize::from(if in_the_exchange {
            let wait = Duration::from_micros(random.below(4000) as u64);
            kill_in_the_exchange(&place, "restore", name, wait)
        } else {
            kill_after(&place, "restore", name, random_wait(&mut random, whole))
        });
        let found = data(&place.target);
        if found == old {
            left_old += 1;
        } else {
            assert!(found == new, "neither the old tree nor the new in round {rounds}");
            left_new += 1;
        }
    }
    support::say(&format!(
        "{killed} killed in the act, of {rounds}: {left_old} old, {left_new} new, 0 neither"
    ));
    // The next run works and clears up.
    let report = place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    assert_eq!(data(&place.target), new);
    assert_eq!(place.siblings().len(), 1, "the previous tree alone: {:?}", place.siblings());
    assert!(report.previous.unwrap().is_dir());
}

#[test]
fn a_rollback_killed_at_any_moment_leaves_both_trees() {
    let place = Place::new();
    plant_version(&place.source, 1);
    let made = place.create();
    let new = data(&place.source);
    plant_version(&place.target, 2);
    let old = data(&place.target);
    place.manager().restore(&made.name).to(&place.target).run_blocking().unwrap();
    let whole = undisturbed(&place, "rollback", "");
    let mut random = Random::seeded();
    for _ in 0..KILLS / 2 {
        let wait = random_wait(&mut random, whole);
        kill_after(&place, "rollback", "", wait);
        let found = data(&place.target);
        assert!(found == old || found == new, "neither after {wait:?}");
        // Whichever it is, one more rollback brings the other.
        lyra_backup::rollback_blocking(&place.target).unwrap();
        assert!(data(&place.target) == if found == old { new.clone() } else { old.clone() });
    }
}

#[test]
fn a_create_killed_at_any_moment_lists_no_half_backup() {
    let place = Place::new();
    plant_version(&place.source, 1);
    fs::write(place.source.join("large"), noise(4 << 20, 5)).unwrap();
    let whole = undisturbed(&place, "create", "");
    let manager = place.manager();
    let mut random = Random::seeded();
    let mut killed = 0;
    for _ in 0..KILLS / 2 {
        let wait = random_wait(&mut random, whole);
        killed += usize::from(kill_after(&place, "create", "", wait));
        let listing = manager.list().unwrap();
        assert!(listing.unknown.is_empty(), "{listing:?}");
        for backup in &listing.backups {
            manager.validate_blocking(&backup.name).unwrap();
        }
    }
    support::say(&format!(
        "{killed} killed in the act, {} backups",
        manager.list().unwrap().backups.len()
    ));
    assert!(killed > 0, "every moment missed");
    place.create();
    let partials = fs::read_dir(&place.backups)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains("partial"))
        .count();
    assert_eq!(partials, 0, "the next create sweeps");
}
