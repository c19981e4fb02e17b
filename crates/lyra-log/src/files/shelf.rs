//! The old files of a log, those of its errors too: numbered from 1, the
//! newest, and all of them together within a cap.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::current::Current;
use super::disk::{Disk, Stat};
use super::settings::{Rotation, Settings};

/// Knows where everything lies, and how much it is.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) rotation: Rotation,
    /// `agent.log` and `agent_errors.log`.
    pub(crate) bases: [String; 2],
    /// What all files of the log hold together, as far as it is known.
    used: u64,
    has_rotated: bool,
}

/// An old file.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) number: u32,
    pub(crate) is_compressed: bool,
    pub(crate) stat: Stat,
}

impl Shelf {
    pub(crate) fn new(settings: &Settings, name: &str) -> Self {
        Self {
            disk: Arc::clone(&settings.disk),
            dir: settings.dir.clone(),
            rotation: settings.rotation.clone(),
            bases: [format!("{name}.log"), format!("{name}_errors.log")],
            used: 0,
            has_rotated: false,
        }
    }

    /// Removes what an earlier process has left behind, and what is not to be
    /// kept any longer.
    pub(crate) fn sweep(&mut self) -> io::Result<()> {
        let keep = self.rotation.keep;
        for name in self.disk.list(&self.dir)? {
            let is_to_go = |base: &String| {
                name == partial(base) || number_of(base, &name).is_some_and(|(n, _)| n > keep)
            };
            if self.bases.iter().any(is_to_go) {
                // What can't go, as a directory of that name, is in nobody's way.
                let _ = self.disk.remove(&self.dir.join(&name));
            }
        }
        for base in self.bases.clone() {
            self.settled(&base)?;
        }
        self.recount()
    }

    /// What there is, once in each number. A process that ended while it
    /// compressed may have left a file in both forms; the plain one is what was
    /// written, so that it is the one to keep.
    fn settled(&mut self, base: &str) -> io::Result<Vec<Archive>> {
        let mut archives: Vec<Archive> = Vec::new();
        // The plain form comes first.
        for archive in self.archives(base)? {
            if archives.last().is_some_and(|plain| plain.number == archive.number) {
                self.remove(&archive)?;
            } else {
                archives.push(archive);
            }
        }
        Ok(archives)
    }

    pub(crate) fn current(&self, base: &str) -> PathBuf {
        self.dir.join(base)
    }

    pub(crate) fn plain(&self, base: &str, number: u32) -> PathBuf {
        self.dir.join(format!("{base}.{number}"))
    }

    pub(crate) fn compressed(&self, base: &str, number: u32) -> PathBuf {
        self.dir.join(format!("{base}.{number}.zst"))
    }

    pub(crate) fn partial(&self, base: &str) -> PathBuf {
        self.dir.join(partial(base))
    }

    /// What there is, newest first. It is looked up each time, because people
    /// remove and add files without asking.
    pub(crate) fn archives(&self, base: &str) -> io::Result<Vec<Archive>> {
        let mut found = Vec::new();
        for number in 1..=self.rotation.keep {
            let paths = [self.plain(base, number), self.compressed(base, number)];
            for (path, is_compressed) in paths.into_iter().zip([false, true]) {
                if let Some(stat) = self.disk.stat(&path)? {
                    found.push(Archive { path, number, is_compressed, stat });
                }
            }
        }
        Ok(found)
    }

    /// Makes number 1 free. Each step leaves a gap at most, which the next
    /// rotation fills, and no step replaces a file: it can be interrupted
    /// anywhere.
    pub(crate) fn shift(&mut self, base: &str) -> io::Result<()> {
        let mut archives = self.settled(base)?;
        let keep = self.rotation.keep;
        let free = (1..=keep).find(|n| archives.iter().all(|archive| archive.number != *n));
        let free = free.unwrap_or(keep);
        archives.retain(|archive| archive.number <= free);
        for archive in archives.iter().rev() {
            if archive.number == free {
                self.remove(archive)?;
            } else {
                let path = match archive.is_compressed {
                    true => self.compressed(base, archive.number + 1),
                    false => self.plain(base, archive.number + 1),
                };
                self.disk.rename(&archive.path, &path)?;
            }
        }
        Ok(())
    }

    /// Number 1 has come.
    pub(crate) fn rotated(&mut self) {
        self.has_rotated = true;
    }

    /// Whether a file was rotated since this was asked last.
    pub(crate) fn take_has_rotated(&mut self) -> bool {
        std::mem::take(&mut self.has_rotated)
    }

    /// Makes room for that many bytes more, at the cost of the oldest files.
    pub(crate) fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let Some(total) = self.rotation.total else { return Ok(()) };
        if self.used + bytes <= total {
            return Ok(());
        }
        self.recount()?;
        while self.used + bytes > total {
            let oldest = self.oldest()?;
            let Some(oldest) = oldest else {
                return Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    format!("the files of this log may hold {total} bytes together"),
                ));
            };
            self.remove(&oldest)?;
        }
        Ok(())
    }

    /// Whether that many bytes more fit without removing anything.
    #[cfg(feature = "zstd")]
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.rotation.total.is_none_or(|total| self.used + bytes <= total)
    }

    /// A file has become longer, or shorter.
    pub(crate) fn resized(&mut self, before: u64, after: u64) {
        self.used = (self.used + after).saturating_sub(before);
    }

    pub(crate) fn remove(&mut self, archive: &Archive) -> io::Result<()> {
        self.disk.remove(&archive.path)?;
        self.resized(archive.stat.len, 0);
        Ok(())
    }

    /// Adds up what lies there.
    pub(crate) fn recount(&mut self) -> io::Result<()> {
        let mut used: u64 = self.all()?.iter().map(|archive| archive.stat.len).sum();
        for base in &self.bases {
            for path in [self.current(base), self.partial(base)] {
                used += self.disk.stat(&path)?.map_or(0, |stat| stat.len);
            }
        }
        self.used = used;
        Ok(())
    }

    /// The oldest old file. Within a base the numbers say so, whatever the
    /// clock was set to; between the two only the times can.
    fn oldest(&self) -> io::Result<Option<Archive>> {
        let mut last = Vec::new();
        for base in &self.bases {
            last.extend(self.archives(base)?.pop());
        }
        Ok(last.into_iter().min_by_key(|archive| archive.stat.modified))
    }

    /// Opens a file to write to, in a directory that somebody may have removed.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Current> {
        match Current::open(&*self.disk, path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.disk.make_dir(&self.dir)?;
                Current::open(&*self.disk, path)
            }
            opened => opened,
        }
    }

    fn all(&self) -> io::Result<Vec<Archive>> {
        let [main, errors] = &self.bases;
        Ok([self.archives(main)?, self.archives(errors)?].concat())
    }
}

/// What a compressed file is called until it is whole.
fn partial(base: &str) -> String {
    format!("{base}.zst.partial")
}

/// The number in the name of an old file, and whether it is compressed.
pub(crate) fn number_of(base: &str, name: &str) -> Option<(u32, bool)> {
    let rest = name.strip_prefix(base)?.strip_prefix('.')?;
    let (digits, is_compressed) = match rest.strip_suffix(".zst") {
        Some(digits) => (digits, true),
        None => (rest, false),
    };
    let is_number = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let number = digits.parse().ok().filter(|_| is_number)?;
    Some((number, is_compressed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_numbered() {
        let number = |name| number_of("agent.log", name);
        assert_eq!(number("agent.log.1"), Some((1, false)));
        assert_eq!(number("agent.log.12.zst"), Some((12, true)));
        for name in [
            "agent.log",
            "agent.log.",
            "agent.log.01",
            "agent.log.1.gz",
            "agent.log.x",
            "agent.log.+1",
            "agent.log.lock",
            "agent.log.1.zst.partial",
            "agent_errors.log.1",
            "agent.log.99999999999",
        ] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
