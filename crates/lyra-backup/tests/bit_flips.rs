//! No byte of an archive can change without `validate` telling it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails, in its helpers too")]

#[path = "support/support.rs"]
mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::PathBuf;

use lyra_backup::BackupManager;
use support::{Place, Random, code, noise};

/// An archive of some 25 KiB with two data frames' worth of kinds, its sidecar deleted.
fn small_archive(place: &Place) -> (BackupManager, String, PathBuf) {
    fs::create_dir(place.source.join("notes")).unwrap();
    fs::write(place.source.join("notes/day.md"), "the same line\n".repeat(400)).unwrap();
    fs::write(place.source.join("vectors"), noise(20_000, 3)).unwrap();
    fs::write(place.source.join("empty"), "").unwrap();
    symlink("notes", place.source.join("latest")).unwrap();
    let made = place.create();
    fs::remove_file(place.backups.join(format!("{}.json", made.name))).unwrap();
    (place.manager(), made.name, made.path)
}

/// Flips each bit, validates without a sidecar, flips it back; returns what was not reported.
fn sweep(archive: &[u8], name: &str, flips: &[(usize, u8)]) -> Vec<(usize, u8)> {
    let place = Place::in_memory();
    fs::create_dir(&place.backups).unwrap();
    let path = place.backups.join(format!("{name}.tar.zst"));
    let sidecar = place.backups.join(format!("{name}.json"));
    fs::write(&path, archive).unwrap();
    let manager = place.manager();
    let file = File::options().write(true).open(&path).unwrap();
    let mut missed = Vec::new();
    for (at, bit) in flips.iter().copied() {
        file.write_all_at(&[archive[at] ^ (1 << bit)], at as u64).unwrap();
        if manager.validate_blocking(name).is_ok() {
            missed.push((at, bit));
        }
        file.write_all_at(&[archive[at]], at as u64).unwrap();
        // The verdict was noted in a new sidecar; the next flip has none again.
        let _ = fs::remove_file(&sidecar);
    }
    manager.validate_blocking(name).expect("with all bits flipped back it is what it was");
    missed
}

#[test]
fn every_flipped_bit_of_both_ends_and_a_thousand_between_are_reported() {
    let place = Place::in_memory();
    let (_, name, path) = small_archive(&place);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 3 * 4096, "the ends must not overlap: {}", bytes.len());
    let mut random = Random::seeded();
    let ends = (0..4096).chain(bytes.len() - 4096..bytes.len());
    let mut flips: Vec<(usize, u8)> =
        ends.flat_map(|at| (0..8).map(move |bit| (at, bit))).collect();
    flips.extend((0..1000).map(|_| {
        let bit = u8::try_from(random.below(8)).unwrap();
        (random.below(bytes.len()), bit)
    }));
    let missed: Vec<_> = std::thread::scope(|scope| {
        let (bytes, name) = (&bytes, &name);
        let half = |flips| scope.spawn(move || sweep(bytes, name, flips));
        let halves: Vec<_> = flips.chunks(flips.len().div_ceil(2)).map(half).collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    support::say(&format!("{} of {} flips reported", flips.len() - missed.len(), flips.len()));
    assert!(missed.is_empty(), "not reported: {missed:?}");
}

#[test]
fn every_length_that_it_could_be_cut_to_is_reported() {
    let place = Place::in_memory();
    let (manager, name, path) = small_archive(&place);
    let bytes = fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(97).chain(bytes.len() - 64..bytes.len()) {
        fs::write(&path, &bytes[..len]).unwrap();
        assert_eq!(code(manager.validate_blocking(&name)), "backup.corrupt", "{len}");
    }
    for extra in [&b"\0"[..], &[0; 512], &bytes] {
        let longer = [&bytes, extra].concat();
        // A whole archive behind the first ends like an archive, and is none.
        fs::write(&path, longer).unwrap();
        assert_eq!(code(manager.validate_blocking(&name)), "backup.corrupt");
    }
}

#[test]
fn a_damaged_backup_is_listed_as_such_and_restores_nothing() {
    let place = Place::in_memory();
    let (manager, name, path) = small_archive(&place);
    manager.validate_blocking(&name).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // The list is instant: it can't know yet.
    assert!(manager.list().unwrap().find(&name).unwrap().status.is_verified());
    assert_eq!(code(manager.validate_blocking(&name)), "backup.corrupt");
    let listing = manager.list().unwrap();
    let status = &listing.find(&name).unwrap().status;
    assert!(matches!(status, lyra_backup::BackupStatus::Damaged { .. }), "{status:?}");
    fs::create_dir(&place.target).unwrap();
    fs::write(place.target.join("mine"), "kept").unwrap();
    let restore = manager.restore(&name).to(&place.target);
    assert_eq!(code(restore.clone().dry_run_blocking()), "backup.corrupt");
    assert_eq!(code(restore.run_blocking()), "backup.corrupt");
    assert_eq!(fs::read(place.target.join("mine")).unwrap(), b"kept");
    assert!(place.siblings().is_empty(), "{:?}", place.siblings());
}
