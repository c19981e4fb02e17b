//! What is listed, by sidecar or without, and what pruning takes and leaves.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::fs;
use std::process::Command;
use std::sync::Arc;

use lyra_backup::{
    BackupManager, BackupStatus, CreateOptions, DryRun, KeepReason, ManualClock, Outcome,
    Retention, SignedDuration, Verify,
};
use support::{Locked, Place, code};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn clocked(place: &Place, retention: Retention) -> (BackupManager, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new("2026-11-23T02:30:00Z".parse().unwrap()));
    let manager = BackupManager::builder(&place.source, &place.backups)
        .with_retention(retention)
        .with_clock(Arc::clone(&clock))
        .build()
        .unwrap();
    (manager, clock)
}

fn create(manager: &BackupManager, verify: Verify) -> String {
    manager.create_blocking(CreateOptions::default().with_verify(verify)).unwrap().name
}

fn names(manager: &BackupManager) -> Vec<String> {
    manager.list().unwrap().backups.into_iter().map(|b| b.name).collect()
}

#[test]
fn an_archive_alone_tells_what_its_sidecar_told() {
    let place = Place::planted();
    let manager = place.manager();
    let options = CreateOptions::default().with_metadata("reason", "night\u{e9}ly \"1\"");
    let made = manager.create_blocking(options).unwrap();
    let with = manager.list().unwrap().backups.remove(0);
    let sidecar = place.backups.join(format!("{}.json", made.name));
    let text = fs::read_to_string(&sidecar).unwrap();
    let archive_bytes = format!("\"archive_bytes\": {}", made.archive_bytes);
    assert!(text.contains(&archive_bytes), "{text}");
    for damage in [
        String::new(),
        "{".into(),
        text.replace("verified", "unverified"),
        text.replace(&archive_bytes, "\"archive_bytes\": 1"),
        text[..text.len() / 2].into(),
    ] {
        fs::write(&sidecar, damage).unwrap();
        let without = manager.list().unwrap().backups.remove(0);
        assert_eq!(without.status, BackupStatus::Unverified);
        assert_eq!(
            (&without.metadata, without.created, without.files, without.archive_bytes),
            (&with.metadata, with.created, with.files, with.archive_bytes)
        );
    }
    fs::remove_file(&sidecar).unwrap();
    assert_eq!(manager.list().unwrap().backups[0].status, BackupStatus::Unverified);
    assert!(manager.list().unwrap().unknown.is_empty());
    assert!(!sidecar.exists(), "listing writes nothing");
    manager.validate_blocking(&made.name).unwrap();
    assert!(manager.list().unwrap().backups[0].status.is_verified());
}

#[test]
fn listing_tells_strangers_apart_and_never_fails_on_them() {
    let place = Place::planted();
    let manager = place.manager();
    assert!(manager.list().unwrap().backups.is_empty(), "no directory yet");
    let made = place.create();
    let at = |name: &str| place.backups.join(name);
    fs::write(at("notes.txt"), "mine").unwrap();
    fs::write(at("other.tar.zst"), "mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let cut = "lyra_20200101T000000.000Z_abcdef.tar.zst";
    let whole = fs::read(&made.path).unwrap();
    fs::write(at(cut), &whole[..whole.len() / 2]).unwrap();
    let copy = "lyra_20200101T000000.000Z_c0py00.tar.zst";
    fs::write(at(copy), &whole).unwrap();
    let listing = manager.list().unwrap();
    assert_eq!(names(&manager), [made.name.as_str()]);
    let mut unknown: Vec<_> =
        listing.unknown.iter().map(|u| u.path.file_name().unwrap().to_str().unwrap()).collect();
    unknown.sort_unstable();
    assert_eq!(unknown, ["folder", cut, copy, "notes.txt", "other.tar.zst"]);
    // A renamed copy is no backup of its own, and still restores.
    let copy = copy.strip_suffix(".tar.zst").unwrap();
    manager.validate_blocking(copy).unwrap();
    manager.restore(copy).to(&place.target).run_blocking().unwrap();
    // Pruning all that is old leaves every stranger, also the one with an old name.
    let (manager, clock) = clocked(&place, Retention::days(1).keep_last(1));
    clock.advance(DAY * 4000);
    manager.prune_blocking(DryRun::No).unwrap();
    assert_eq!(manager.list().unwrap().unknown.len(), 5);
}

#[test]
fn old_backups_go_and_the_floor_stays() {
    let place = Place::planted();
    let (manager, clock) = clocked(&place, Retention::days(30).keep_last(2));
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(create(&manager, Verify::No));
        clock.advance(DAY * 10);
    }
    // Ages now: 50, 40, 30, 20, 10 days.
    let planned = manager.prune_blocking(DryRun::Yes).unwrap();
    assert!(planned.dry_run);
    assert_eq!(names(&manager).len(), 5, "a dry run removes nothing");
    let reasons: Vec<String> = planned.decisions.iter().map(|d| d.outcome.to_string()).collect();
    assert_eq!(
        reasons,
        [
            "keep: within 30 days",
            "keep: within 30 days",
            "keep: within 30 days",
            "remove: 40 days old",
            "remove: 50 days old"
        ]
    );
    let done = manager.prune_blocking(DryRun::No).unwrap();
    assert_eq!(done.removed().count(), 2);
    assert!(done.removed_bytes() > 0);
    assert_eq!(names(&manager), [&*made[4], &*made[3], &*made[2]]);
    clock.advance(DAY * 1000);
    manager.prune_blocking(DryRun::No).unwrap();
    assert_eq!(names(&manager), [&*made[4], &*made[3]]);
    let left: Vec<_> = fs::read_dir(&place.backups).unwrap().collect();
    assert_eq!(left.len(), 4, "two archives, two sidecars, no trash and no lock: {left:?}");
}

#[test]
fn what_was_verified_once_is_read_again_before_others_go() {
    let place = Place::planted();
    let (manager, clock) = clocked(&place, Retention::days(0).keep_last(1));
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(create(&manager, Verify::Yes));
        clock.advance(DAY);
    }
    // The disk loses a byte of the two newest; their sidecars do not know it.
    for name in &made[2..] {
        let path = place.backups.join(format!("{name}.tar.zst"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    assert!(manager.list().unwrap().backups.iter().all(|backup| backup.status.is_verified()));
    for dry_run in [DryRun::Yes, DryRun::No] {
        let report = manager.prune_blocking(dry_run).unwrap();
        let kept: Vec<_> = report
            .decisions
            .iter()
            .filter(|d| matches!(d.outcome, Outcome::Keep(_)))
            .map(|d| d.backup.name.clone())
            .collect();
        assert_eq!(kept, [made[1].clone()], "the newest one that is good");
    }
    assert_eq!(names(&manager), [&*made[1]]);
    manager.validate_blocking(&made[1]).unwrap();
}

#[test]
fn the_newest_verified_backup_outlives_newer_unverified_ones() {
    let place = Place::planted();
    let (manager, clock) = clocked(&place, Retention::days(1).keep_last(1));
    let good = create(&manager, Verify::Yes);
    clock.advance(DAY);
    let unread = create(&manager, Verify::No);
    clock.advance(DAY * 100);
    let report = manager.prune_blocking(DryRun::No).unwrap();
    assert_eq!(report.decisions[1].outcome, Outcome::Keep(KeepReason::NewestVerified));
    assert_eq!(names(&manager), [unread, good]);
}

#[test]
fn a_wrong_clock_makes_no_good_backup_go() {
    let place = Place::planted();
    let (manager, clock) = clocked(&place, Retention::days(7).keep_last(1));
    let right = create(&manager, Verify::Yes);
    clock.advance(DAY * 3000);
    let future = create(&manager, Verify::Yes);
    clock.advance(DAY * -2990);
    let report = manager.prune_blocking(DryRun::No).unwrap();
    assert_eq!(report.decisions[0].outcome, Outcome::Keep(KeepReason::FutureDated));
    assert_eq!(names(&manager), [future, right]);
}

#[test]
fn pruning_stays_with_its_own_prefix() {
    let place = Place::planted();
    let (manager, clock) = clocked(&place, Retention::days(1).keep_last(1));
    let other = BackupManager::builder(&place.source, &place.backups)
        .with_prefix("lyra_other")
        .build()
        .unwrap();
    let foreign = create(&other, Verify::No);
    for _ in 0..2 {
        create(&manager, Verify::No);
    }
    clock.advance(DAY * 4000);
    assert_eq!(manager.prune_blocking(DryRun::No).unwrap().decisions.len(), 2);
    assert_eq!(names(&manager).len(), 2);
    assert!(names(&manager).contains(&foreign));
}

#[test]
fn one_prune_at_a_time() {
    let place = Place::planted();
    let manager = place.manager();
    place.create();
    let lock = Locked::file(fs::File::create(place.backups.join(".lyra-backup.lock")).unwrap());
    assert_eq!(code(manager.prune_blocking(DryRun::No)), "backup.locked");
    manager.prune_blocking(DryRun::Yes).unwrap();
    drop(lock);
    manager.prune_blocking(DryRun::No).unwrap();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let place = Place::new();
    let builder = || BackupManager::builder(&place.source, &place.backups);
    let empty = Retention::days(0).keep_last(0);
    assert_eq!(code(builder().with_retention(empty).build()), "backup.empty_policy");
    builder().with_retention(Retention::days(0)).build().unwrap();
    for prefix in ["", "a/b", "..", "-x", "a b", &"x".repeat(65)] {
        assert_eq!(
            code(builder().with_prefix(prefix).build()),
            "backup.invalid_argument",
            "{prefix}"
        );
    }
    for level in [-1, 0, 20] {
        assert_eq!(code(builder().with_level(level).build()), "backup.invalid_argument");
    }
}

#[test]
fn the_first_process_wide_manager_wins() {
    let place = Place::new();
    assert!(lyra_backup::try_global().is_none());
    lyra_backup::set_global(place.manager()).unwrap();
    let other = BackupManager::builder("elsewhere", "nowhere").build().unwrap();
    let lyra_errors::AlreadySet(back) = lyra_backup::set_global(other).unwrap_err();
    assert_eq!(back.source(), std::path::Path::new("elsewhere"));
    assert_eq!(lyra_backup::try_global().unwrap().source(), place.source);
}

#[test]
fn what_a_sweep_can_not_take_stops_no_backup() {
    let place = Place::new();
    fs::create_dir(&place.backups).unwrap();
    let name = "lyra_20261123T023005.123Z_abcdef";
    let dead = place.backups.join(format!(".{name}.partial-1"));
    let pipe = place.backups.join(format!(".{name}.partial-2"));
    let directory = place.backups.join(format!(".{name}.partial-3"));
    let trash = place.backups.join(format!(".trash-{name}.tar.zst"));
    fs::create_dir(&directory).unwrap();
    fs::create_dir(&trash).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for sweeping in [true, false] {
        fs::write(&dead, "x").unwrap();
        if sweeping {
            place.create();
        } else {
            place.manager().prune_blocking(DryRun::No).unwrap();
        }
        assert!(!dead.exists() && pipe.exists() && directory.exists() && trash.exists());
    }
}

#[test]
fn a_sidecar_without_its_archive_goes_with_the_next_prune() {
    let place = Place::planted();
    let made = place.create();
    let sidecar = made.path.with_file_name(format!("{}.json", made.name));
    let text = fs::read_to_string(&sidecar).unwrap();
    let strange = place.backups.join("lyra_20200101T000000.000Z_abcdef.json");
    fs::write(&strange, &text).unwrap();
    fs::remove_file(&made.path).unwrap();
    let other = BackupManager::builder(&place.source, &place.backups).with_prefix("other");
    other.build().unwrap().prune_blocking(DryRun::No).unwrap();
    place.manager().prune_blocking(DryRun::Yes).unwrap();
    assert!(sidecar.exists());
    place.manager().prune_blocking(DryRun::No).unwrap();
    assert!(!sidecar.exists() && strange.exists(), "one that tells another name is not ours");
}

#[test]
fn a_sidecar_of_other_bytes_does_not_speak_for_an_archive() {
    let place = Place::planted();
    let made = place.create();
    let manager = place.manager();
    assert!(manager.list().unwrap().backups[0].status.is_verified());
    let mut bytes = fs::read(&made.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&made.path, bytes).unwrap();
    assert_eq!(manager.list().unwrap().backups[0].status, BackupStatus::Unverified);
}

#[test]
fn a_pipe_in_the_place_of_an_archive_keeps_no_listing_waiting() {
    let place = Place::planted();
    let made = place.create();
    fs::remove_file(&made.path).unwrap();
    assert!(Command::new("mkfifo").arg(&made.path).status().unwrap().success());
    let listing = place.manager().list().unwrap();
    assert!(listing.backups.is_empty() && listing.unknown.len() == 1, "{listing:?}");
}
