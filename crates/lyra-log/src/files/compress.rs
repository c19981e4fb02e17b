//! The thread that compresses old files.
//!
//! A file becomes a partial one beside it, which is synced, given its name and
//! only then takes the place of the plain one. Whatever fails or interrupts it
//! leaves the plain file, and another try comes with the next rotation or the
//! next process.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::disk::{Disk, FileId};
use super::log_files::{Shared, State};

/// What zstd itself takes by default.
const LEVEL: i32 = 3;
const CHUNK: usize = 128 * 1024;

/// Compresses whatever is rotated away, until the end.
pub(crate) fn run(shared: &Shared) {
    let mut state = pass(shared, shared.lock());
    while !state.is_ending {
        // The lock was held since nothing was left, so that no wake-up is missed.
        state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        state = pass(shared, state);
    }
}

/// Tries each plain file once. What fails is tried again in the next pass.
pub(crate) fn pass<'a>(
    shared: &'a Shared,
    mut state: MutexGuard<'a, State>,
) -> MutexGuard<'a, State> {
    let mut tried = Vec::new();
    while let Some(job) = next(&state, &tried) {
        drop(state);
        tried.push(job.id);
        let result = compress(shared, &job);
        state = shared.lock();
        if result.is_err() {
            discard(&mut state, &job.partial);
        }
    }
    state
}

/// A plain file and what becomes of it.
#[derive(Debug)]
struct Job {
    base: String,
    plain: File,
    id: FileId,
    modified: SystemTime,
    partial: PathBuf,
}

/// The oldest plain file that has not been tried yet.
fn next(state: &State, tried: &[FileId]) -> Option<Job> {
    let shelf = &state.shelf;
    if state.is_ending {
        return None;
    }
    shelf.bases.iter().find_map(|base| {
        let archives = shelf.archives(base).ok()?;
        let oldest = archives
            .into_iter()
            .rfind(|archive| !archive.is_compressed && !tried.contains(&archive.stat.id))?;
        Some(Job {
            base: base.clone(),
            plain: shelf.disk.open_read(&oldest.path).ok()?,
            id: oldest.stat.id,
            modified: oldest.stat.modified,
            partial: shelf.partial(base),
        })
    })
}

fn compress(shared: &Shared, job: &Job) -> io::Result<()> {
    let disk = Arc::clone(&shared.lock().shelf.disk);
    let file = disk.create(&job.partial)?;
    let partial = Partial { shared, disk: &*disk, file: &file };
    let mut encoder = zstd::stream::write::Encoder::new(partial, LEVEL)?;
    // A checksum, so that damage is found when it is read.
    encoder.include_checksum(true)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match disk.read(&job.plain, &mut chunk)? {
            0 => break,
            read => encoder.write_all(&chunk[..read])?,
        }
    }
    encoder.finish()?;
    disk.set_modified(&file, job.modified)?;
    disk.sync(&file)?;
    publish(&mut shared.lock(), job)
}

/// Gives the compressed file its name, which the writer may have moved on by
/// now, and removes the plain one.
fn publish(state: &mut State, job: &Job) -> io::Result<()> {
    let shelf = &mut state.shelf;
    let archives = shelf.archives(&job.base)?;
    let Some(plain) = archives.into_iter().find(|archive| archive.stat.id == job.id) else {
        return Err(io::Error::other("the file was rotated away meanwhile"));
    };
    let disk = Arc::clone(&shelf.disk);
    disk.rename(&job.partial, &shelf.compressed(&job.base, plain.number))?;
    // The new name has to be on the disk before the old one goes from it.
    disk.sync_dir(&shelf.dir)?;
    shelf.remove(&plain)
}

fn discard(state: &mut State, partial: &Path) {
    let shelf = &mut state.shelf;
    // What stays is swept when the log is opened again.
    let _ = shelf.disk.remove(partial);
    let _ = shelf.recount();
}

/// The file that is written to, within the cap of the whole log.
struct Partial<'a> {
    shared: &'a Shared,
    disk: &'a dyn Disk,
    file: &'a File,
}

impl Write for Partial<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        if state.is_ending {
            return Err(io::Error::other("the log is closed"));
        }
        if !state.shelf.has_room(bytes.len() as u64) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        // Reserved first, so that the writer is not kept waiting by the disk.
        state.shelf.resized(0, bytes.len() as u64);
        drop(state);
        let result = self.disk.write(self.file, bytes);
        let written = *result.as_ref().unwrap_or(&0);
        self.shared.lock().shelf.resized((bytes.len() - written) as u64, 0);
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
