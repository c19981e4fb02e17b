//! One file that never grows beyond its limit, and what it could not keep.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::current::{Current, Unwritten, Whereabouts, count};
use super::notice::{Lost, not_rotated};
use super::shelf::Shelf;

/// How long after a failure nothing is tried.
const RETRY: Duration = Duration::from_millis(100);
/// How often it is looked whether the file still has its name. Less than a
/// second, which is how long whoever takes it away may have to wait.
const LOOK: Duration = Duration::from_millis(500);
/// How long after a failed rotation no other is tried.
const RETRY_ROTATION: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct RotatingFile {
    base: String,
    run: String,
    clock: Arc<dyn Clock>,
    current: Option<Current>,
    look_at: Instant,
    /// Lines written since the file was last seen at its name.
    unseen: u64,
    trouble: Option<Trouble>,
    /// When a rotation may be tried again that has failed.
    rotate_at: Option<Instant>,
    counts: Counts,
}

/// What has become of the lines of one file, since it was opened. Together they
/// are all that were given to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Lines that the file holds, or held until they were rotated away.
    pub written: u64,
    /// Lines that could not be kept. Where somebody removes the file, those
    /// written since it was last looked for count as lost as well, half a
    /// second's at most: they may have been in it.
    pub lost: u64,
}

#[derive(Debug)]
struct Trouble {
    lost: Lost,
    retry_at: Instant,
}

impl RotatingFile {
    pub(crate) fn open(
        shelf: &Shelf,
        base: &str,
        run: &str,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let current = Current::open(&*shelf.disk, &shelf.current(base))?;
        Ok(Self {
            base: base.to_owned(),
            run: run.to_owned(),
            current: Some(current),
            look_at: clock.now() + LOOK,
            clock,
            unseen: 0,
            trouble: None,
            rotate_at: None,
            counts: Counts::default(),
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// Writes whole lines, together no longer than the limit or a single one,
    /// or counts them as lost. `given` is how many there are: to count them
    /// takes longer than to write them.
    pub(crate) fn lines(&mut self, shelf: &mut Shelf, lines: &[u8], given: u64) {
        let now = self.clock.now();
        let result = match &self.trouble {
            Some(trouble) if now < trouble.retry_at => {
                self.lose(given, None, now);
                return;
            }
            _ => self.ready(shelf, now).and_then(|()| self.append(shelf, lines, now)),
        };
        let lost = match result {
            Ok(()) => 0,
            Err(Unwritten { lines, cause }) => {
                let lost = lines.min(given);
                self.lose(lost, Some(&cause), now);
                lost
            }
        };
        self.counts.written += given - lost;
        self.unseen += given - lost;
    }

    /// Tells what is lost, if the file can be written to by now.
    pub(crate) fn tell(&mut self, shelf: &mut Shelf) {
        if self.trouble.is_some() {
            let now = self.clock.now();
            if let Err(Unwritten { cause, .. }) = self.ready(shelf, now) {
                self.lose(0, Some(&cause), now);
            }
        }
    }

    /// Sees to it that the file is open, has its name and tells its losses.
    fn ready(&mut self, shelf: &mut Shelf, now: Instant) -> Result<(), Unwritten> {
        let nothing = |cause| Unwritten { lines: u64::MAX, cause };
        if self.trouble.is_some() || now >= self.look_at {
            self.look(shelf, now).map_err(nothing)?;
        }
        if self.current.is_none() {
            let path = shelf.current(&self.base);
            self.current = Some(shelf.open(&path).map_err(nothing)?);
        }
        if let Some(trouble) = &self.trouble {
            let record = trouble.lost.record(&self.run, self.clock.time_of_day());
            self.append(shelf, &record, now).map_err(|failed| nothing(failed.cause))?;
            self.trouble = None;
        }
        Ok(())
    }

    /// Lets go of a file that has lost its name: to a person, or to a program
    /// that rotates logs.
    fn look(&mut self, shelf: &mut Shelf, now: Instant) -> io::Result<()> {
        let Some(current) = &self.current else { return Ok(()) };
        let found = current.look(&*shelf.disk, &shelf.current(&self.base))?;
        self.look_at = now + LOOK;
        let unseen = std::mem::take(&mut self.unseen);
        if found == Whereabouts::InPlace {
            return Ok(());
        }
        self.current = None;
        if found == Whereabouts::Removed && unseen > 0 {
            let cause = io::Error::other("somebody removed the file");
            self.counts.written -= unseen;
            self.lose(unseen, Some(&cause), now);
        }
        shelf.recount()
    }

    fn append(&mut self, shelf: &mut Shelf, lines: &[u8], now: Instant) -> Result<(), Unwritten> {
        let nothing = |cause| Unwritten { lines: count(lines), cause };
        if self.is_full_for(shelf, lines.len() as u64) && self.rotate_at.is_none_or(|at| now >= at)
        {
            self.try_rotation(shelf, now);
        }
        shelf.make_room(lines.len() as u64).map_err(nothing)?;
        self.write(shelf, lines)
    }

    fn write(&mut self, shelf: &mut Shelf, lines: &[u8]) -> Result<(), Unwritten> {
        let Some(current) = &mut self.current else {
            let cause = io::Error::other("no new file could be opened");
            return Err(Unwritten { lines: count(lines), cause });
        };
        let before = current.len();
        let written = current.append(&*shelf.disk, lines);
        shelf.resized(before, current.len());
        written
    }

    /// A record that is larger than the limit has a file of its own.
    fn is_full_for(&self, shelf: &Shelf, bytes: u64) -> bool {
        let len = self.current.as_ref().map_or(0, Current::len);
        len > 0 && len + bytes > shelf.rotation.limit
    }

    /// Where there is no rotating, writing goes on: rather one file too long
    /// than lines that nobody reads.
    fn try_rotation(&mut self, shelf: &mut Shelf, now: Instant) {
        let result = self.rotate(shelf);
        let is_first = self.rotate_at.is_none();
        match result {
            Ok(()) => self.rotate_at = None,
            Err(cause) => {
                self.rotate_at = Some(now + RETRY_ROTATION);
                if is_first {
                    let record = not_rotated(&self.run, self.clock.time_of_day(), &cause);
                    if shelf.make_room(record.len() as u64).is_ok() {
                        // It says nothing that can't be seen: it may fail.
                        let _ = self.write(shelf, &record);
                    }
                }
            }
        }
    }

    fn rotate(&mut self, shelf: &mut Shelf) -> io::Result<()> {
        let disk = Arc::clone(&shelf.disk);
        let path = shelf.current(&self.base);
        if shelf.rotation.keep == 0 {
            disk.remove(&path)?;
            let len = self.current.take().map_or(0, |current| current.len());
            shelf.resized(len, 0);
        } else {
            shelf.shift(&self.base)?;
            disk.rename(&path, &shelf.plain(&self.base, 1))?;
        }
        match Current::open(&*disk, &path) {
            Ok(current) => {
                self.current = Some(current);
                self.unseen = 0;
                shelf.rotated();
                Ok(())
            }
            Err(cause) => {
                // Back to its name, and written on.
                if disk.rename(&shelf.plain(&self.base, 1), &path).is_err() {
                    self.current = None;
                }
                Err(cause)
            }
        }
    }

    fn lose(&mut self, lines: u64, cause: Option<&io::Error>, now: Instant) {
        self.counts.lost += lines;
        let since = self.clock.time_of_day();
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            lost: Lost {
                lines: 0,
                since,
                reason: cause.map(ToString::to_string).unwrap_or_default(),
            },
            retry_at: now,
        });
        trouble.lost.lines += lines;
        if cause.is_some() {
            trouble.retry_at = now + RETRY;
        }
    }
}
