//! The archive while it is being written: invisible to `list`, gone when its writer is.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::durable::{remove_if_there, rename_file_no_replace, sync_dir};
use crate::error::{IoAt as _, LockedSnafu, Result};
use crate::lock::same_file;
use crate::name::{ARCHIVE_SUFFIX, SIDECAR_DRAFT, prefix_of};

/// What a pruned archive is called between its renaming and its removal.
pub(crate) const TRASH_PREFIX: &str = ".trash-";

/// Each try can only be lost to a sweep that began before it, and those are few.
const SWEPT_TRIES: u32 = 100;

/// An unpublished archive. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Partial {
    dir: PathBuf,
    path: PathBuf,
    name: String,
    file: File,
    published: bool,
}

impl Partial {
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(format!(".{name}.partial-{}", std::process::id()));
        // Before it is locked, another process's sweep may take it for a dead one's.
        for _ in 0..SWEPT_TRIES {
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .at("create", &path)?;
            match file.try_lock() {
                Ok(()) if same_file(&file, &path).at("open", &path)? => {
                    let (dir, name) = (dir.to_owned(), name.to_owned());
                    return Ok(Self { dir, path, name, file, published: false });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => remove_if_there(&path)?,
                Err(TryLockError::Error(e)) => return Err(e).at("lock", &path),
            }
        }
        LockedSnafu { path }.fail()
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where copies of databases stand until they are in the archive. A sweep
    /// that removes the archive removes them too.
    pub(crate) fn staging_path(&self) -> PathBuf {
        let mut staging = self.path.as_os_str().to_owned();
        staging.push(".staging");
        staging.into()
    }

    /// Gives the archive its name, durably.
    pub(crate) fn publish(mut self) -> Result<PathBuf> {
        let path = self.dir.join(format!("{}{ARCHIVE_SUFFIX}", self.name));
        rename_file_no_replace(&self.path, &path)?;
        self.published = true;
        sync_dir(&self.dir)?;
        Ok(path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.staging_path());
        if !self.published {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what writers that are no longer alive left behind.
///
/// What can't be removed, or is not what its name says, stays and stops nothing.
pub(crate) fn sweep(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).at("list", dir)? {
        let entry = entry.at("list", dir)?;
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str() else {
            continue;
        };
        let path = entry.path();
        if is_trash(file_name) || is_sidecar_draft(file_name) {
            let _ = fs::remove_file(&path);
        } else if is_partial(file_name) {
            sweep_partial(&path);
        }
    }
    Ok(())
}

fn sweep_partial(path: &Path) {
    let archive = match path.extension() {
        Some(suffix) if suffix == "staging" => path.with_extension(""),
        _ => path.to_owned(),
    };
    // A pipe would keep the open waiting for ever.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(&archive);
    // The writer holds this lock for as long as it lives.
    let held = match opened {
        Ok(file) if file.metadata().is_ok_and(|m| m.is_file()) && file.try_lock().is_ok() => {
            Some(file)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        _ => return,
    };
    let _ = fs::remove_file(path);
    drop(held);
}

fn is_trash(file_name: &str) -> bool {
    file_name
        .strip_prefix(TRASH_PREFIX)
        .and_then(|rest| rest.strip_suffix(ARCHIVE_SUFFIX))
        .is_some_and(|name| prefix_of(name).is_some())
}

/// A writer that is alive loses its cached summary by this, and nothing else.
fn is_sidecar_draft(file_name: &str) -> bool {
    file_name
        .strip_prefix('.')
        .and_then(|rest| rest.rsplit_once(SIDECAR_DRAFT))
        .is_some_and(|(name, _)| prefix_of(name).is_some())
}

fn is_partial(file_name: &str) -> bool {
    let plain = file_name.strip_suffix(".staging").unwrap_or(file_name);
    let Some((name, pid)) = plain.strip_prefix('.').and_then(|rest| rest.rsplit_once(".partial-"))
    else {
        return false;
    };
    prefix_of(name).is_some() && !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "m_20261123T023005.123Z_abcdef";

    #[test]
    fn a_sweep_takes_the_dead_and_leaves_the_living_and_strangers() {
        let dir = tempfile::tempdir().unwrap();
        let dead = dir.path().join(format!(".{NAME}.partial-1"));
        let staging = dir.path().join(format!(".{NAME}.partial-1.staging"));
        let trash = dir.path().join(format!(".trash-{NAME}.tar.zst"));
        let strange = dir.path().join(".notes.partial-1");
        let draft = dir.path().join(format!(".{NAME}.json.tmp-abcdef"));
        for path in [&dead, &staging, &trash, &draft, &strange] {
            fs::write(path, b"x").unwrap();
        }
        let living = Partial::create(dir.path(), NAME).unwrap();
        fs::write(living.staging_path(), b"x").unwrap();
        sweep(dir.path()).unwrap();
        assert!(!dead.exists() && !staging.exists() && !trash.exists() && !draft.exists());
        assert!(strange.exists() && living.path().exists() && living.staging_path().exists());
        let paths = (living.path().to_owned(), living.staging_path());
        drop(living);
        assert!(!paths.0.exists() && !paths.1.exists());
    }

    #[test]
    fn publishing_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join(format!("{NAME}{ARCHIVE_SUFFIX}"));
        fs::write(&taken, "theirs").unwrap();
        let partial = Partial::create(dir.path(), NAME).unwrap();
        assert!(partial.publish().is_err());
        assert_eq!(fs::read(&taken).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
