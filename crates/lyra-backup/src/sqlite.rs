//! Consistent copies of SQLite databases that may be written to at this moment.
//!
//! Every access to a database of the source goes through SQLite itself. A
//! plain `open` and `close` would drop the POSIX locks that another connection
//! of this same process holds on the file, which is how databases get corrupted.

use std::path::Path;

use crate::error::Result;

/// What came of trying to snapshot a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Snapshot {
    /// It is not a database; copy it like any file.
    NotADatabase,
    /// The staging file holds a copy that passed the check.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite can take one"))]
    Taken,
    /// The staging file holds a consistent copy that could not be checked, for this reason.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite can take one"))]
    TakenUnchecked(String),
    /// It is a database, and no good copy can be made.
    Refused(String),
}

/// Whether a file of `size` bytes can be a database: whole pages, at least one.
pub(crate) fn may_be_database(size: u64) -> bool {
    size >= 512 && size.is_multiple_of(512)
}

/// Copies the database `source` to `staging`, as it is at one instant.
///
/// # Errors
/// `DiskFull` when `staging` can't hold it; `Unreadable` when it stays locked.
/// A plain copy of a locked database would be torn, and making it could drop
/// the very lock, so there is none.
#[cfg(feature = "sqlite")]
pub(crate) fn snapshot(source: &Path, staging: &Path) -> Result<Snapshot> {
    imp::snapshot(source, staging)
}

/// Without the feature a database is told by its first bytes alone.
#[cfg(not(feature = "sqlite"))]
pub(crate) fn snapshot(source: &Path, _staging: &Path) -> Result<Snapshot> {
    use std::io::Read as _;
    let mut magic = [0; 16];
    let read = std::fs::File::open(source).and_then(|mut f| f.read_exact(&mut magic));
    if read.is_ok() && &magic == b"SQLite format 3\0" {
        Ok(Snapshot::Refused("built without the feature `sqlite`".to_owned()))
    } else {
        Ok(Snapshot::NotADatabase)
    }
}

/// What `quick_check` says of a copy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Check {
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite can tell"))]
    Sound,
    /// Its pages are not in order.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite can tell"))]
    Damaged(String),
    /// There is no verdict: it needs a collation or a function of its
    /// application's, or can't be opened where it lies.
    Unchecked(String),
}

/// Runs `quick_check` on a copy that nobody else has open.
#[cfg(feature = "sqlite")]
pub(crate) fn quick_check(copy: &Path) -> Check {
    imp::quick_check(copy)
}

/// Without the feature the digest of the copy is what speaks for it.
#[cfg(not(feature = "sqlite"))]
pub(crate) fn quick_check(_copy: &Path) -> Check {
    Check::Unchecked("built without the feature `sqlite`".to_owned())
}

#[cfg(feature = "sqlite")]
mod imp {
    use std::ffi::OsString;
    use std::fmt::Write as _;
    use std::fs;
    use std::io;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use rusqlite::backup::{Backup, StepResult};
    use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
    use snafu::IntoError as _;

    use super::{Check, Snapshot};
    use crate::error::{DiskFullSnafu, IoAt as _, Result, UnreadableSnafu, shown};

    /// How long a writer of a rollback-journal database may keep a backup waiting.
    const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
    const BUSY_TRIES: u32 = 50;

    pub(super) fn snapshot(source: &Path, staging: &Path) -> Result<Snapshot> {
        create_private(staging).at("create", staging)?;
        let taken = take(source, staging);
        let outcome = match taken {
            Ok(()) => match quick_check(staging) {
                Check::Sound => Snapshot::Taken,
                Check::Unchecked(reason) => Snapshot::TakenUnchecked(reason),
                Check::Damaged(problem) => Snapshot::Refused(format!("quick_check: {problem}")),
            },
            Err(e) => match e.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => Snapshot::NotADatabase,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    let _ = fs::remove_file(staging);
                    let text = format!(
                        "another connection or process held a lock on {} for {} seconds ({e})",
                        shown(source.display()),
                        BUSY_TIMEOUT.as_secs()
                    );
                    let cause = io::Error::new(io::ErrorKind::WouldBlock, text);
                    return Err(UnreadableSnafu { path: source }.into_error(cause));
                }
                Some(ErrorCode::DiskFull) => {
                    let _ = fs::remove_file(staging);
                    return DiskFullSnafu { path: staging, detail: e.to_string() }.fail();
                }
                _ => Snapshot::Refused(e.to_string()),
            },
        };
        if !matches!(outcome, Snapshot::Taken | Snapshot::TakenUnchecked(_)) {
            let _ = fs::remove_file(staging);
        }
        Ok(outcome)
    }

    /// SQLite would give the copy the mode that the umask leaves, and the
    /// original may be for its owner's eyes only.
    fn create_private(staging: &Path) -> io::Result<()> {
        match fs::remove_file(staging) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        fs::File::options().write(true).create_new(true).mode(0o600).open(staging).map(drop)
    }

    fn take(source: &Path, staging: &Path) -> rusqlite::Result<()> {
        let from = open_source(source)?;
        let mut to = Connection::open_with_flags(
            staging,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        // The copy is thrown away unless it is whole, so a journal beside it
        // would protect nothing; the archive is what gets synced.
        to.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
        to.pragma_update(None, "synchronous", "OFF")?;
        {
            let backup = Backup::new(&from, &mut to)?;
            // One step: with several, each commit of another connection starts the
            // copy anew, and under a busy writer it never ends.
            for attempt in 0.. {
                match backup.step(-1)? {
                    StepResult::Done => break,
                    _ if attempt >= BUSY_TRIES => {
                        return Err(Error::SqliteFailure(
                            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                            Some("it stayed locked".to_owned()),
                        ));
                    }
                    _ => std::thread::sleep(BUSY_TIMEOUT / BUSY_TRIES),
                }
            }
        }
        to.close().map_err(|(_, e)| e)
    }

    /// Opens without changing the source.
    ///
    /// A read-only connection leaves a `-wal` and a `-shm` behind where there
    /// were none, so a database without them is opened read-write, whose close
    /// tidies up; one with a journal is opened read-only, so that neither a
    /// checkpoint nor a rollback is written to it.
    fn open_source(source: &Path) -> rusqlite::Result<Connection> {
        let in_use = ["-wal", "-journal"]
            .iter()
            .any(|suffix| fs::symlink_metadata(with_suffix(source, suffix)).is_ok());
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let read_write = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let probe = |flags| {
            // SQLite's NOFOLLOW refuses links anywhere in the path, and the
            // walker hands over a path whose directories are resolved.
            let connection = Connection::open_with_flags(source, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "query_only", "ON")?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        if in_use {
            return probe(read_only);
        }
        match probe(read_write) {
            // The one failure that opening for reading alone can mend: no permission to write.
            Err(e)
                if matches!(
                    e.sqlite_error_code(),
                    Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
                ) =>
            {
                probe(read_only)
            }
            other => other,
        }
    }

    pub(super) fn quick_check(copy: &Path) -> Check {
        let verdict = open_copy(copy).and_then(|connection| {
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        });
        match verdict {
            Ok(verdict) if verdict == "ok" => Check::Sound,
            Ok(verdict) if is_about_content(&verdict) => Check::Unchecked(verdict),
            Ok(verdict) => Check::Damaged(verdict),
            Err(e) => match e.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Check::Damaged(e.to_string())
                }
                _ => Check::Unchecked(e.to_string()),
            },
        }
    }

    fn open_copy(copy: &Path) -> rusqlite::Result<Connection> {
        // Immutable, or a database in WAL mode would grow files beside it.
        let connection = Connection::open_with_flags(
            immutable_uri(copy),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        )?;
        // The copy may come from an archive that somebody made to do harm.
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        Ok(connection)
    }

    /// A row that breaks a rule of its table is what the application wrote; the pages are in order.
    fn is_about_content(verdict: &str) -> bool {
        ["NULL value in ", "CHECK constraint failed in ", "NUMERIC value in ", "TEXT value in "]
            .iter()
            .any(|start| verdict.starts_with(start))
    }

    fn immutable_uri(path: &Path) -> String {
        let mut uri = String::from("file:");
        for byte in path.as_os_str().as_bytes() {
            if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
                uri.push(char::from(*byte));
            } else {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
        uri.push_str("?immutable=1");
        uri
    }

    fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
        let mut name = OsString::from(path);
        name.push(suffix);
        name.into()
    }
}
