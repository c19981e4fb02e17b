//! Reading what is written just now.

use std::collections::VecDeque;

use super::log::Log;
use super::record::{Broken, Entry, Fault};
use super::source::Source;
use crate::files::FileError;
use crate::files::disk::{Disk as _, Os};

/// Entries as they come, see [`Log::follow`]. It ends when the wait says so,
/// and can be asked again after that.
///
/// A rotation is followed by the identity of the file, compressed or not. Where
/// files were removed before they were read, an entry tells it,
/// [`Fault::Missed`].
#[derive(Debug)]
pub struct Follow<W> {
    log: Log,
    /// The first is read; where others wait behind it, it has been rotated.
    sources: VecDeque<Source>,
    wait: W,
    /// The run and the number of the last record.
    last: Option<(String, u64)>,
    /// Whether the file that is read is gone, so that there may have been others
    /// behind it; and whether the one before was.
    is_gone: bool,
    is_after_gone: bool,
    /// What was read, and comes after what has to be said first.
    held: Option<Entry>,
}

impl<W: FnMut() -> bool> Follow<W> {
    pub(crate) fn new(log: Log, wait: W) -> Result<Self, FileError> {
        let (mut sources, _) = log.opened()?;
        let mut sources: VecDeque<Source> = sources.pop().into_iter().collect();
        let mut last = None;
        if let Some(newest) = sources.front_mut() {
            while let Some(entry) = newest.next() {
                last = numbered(&entry).or(last);
            }
        }
        Ok(Self { log, sources, wait, last, is_gone: false, is_after_gone: false, held: None })
    }

    /// Opens what has become newer than the file that is read.
    fn look_for_newer(&mut self) {
        let id = self.sources.front().map(|source| source.id);
        // Where it can't be looked at now, it may be the next time.
        match Os.stat(&self.log.current()) {
            Ok(Some(found)) if Some(found.id) != id => {}
            _ => return,
        }
        let Ok((sources, _)) = self.log.sources() else { return };
        let Some(here) = self.sources.front() else {
            return self.sources.extend(sources);
        };
        let known = sources.iter().position(|source| here.is_same(source));
        let newest = sources.len().saturating_sub(1);
        // One that was removed because it was the oldest leaves newer ones
        // behind; one that a person removed may leave older ones.
        let newer = || sources.iter().position(|source| source.is_not_before(here));
        let from = known.map_or_else(|| newer().unwrap_or(newest), |at| at + 1);
        self.is_gone |= known.is_none();
        self.sources.extend(sources.into_iter().skip(from));
    }

    /// What comes next, after the word that something was missed before it.
    fn told(&mut self, entry: Entry) -> Entry {
        let Some((run, number)) = numbered(&entry) else { return entry };
        let last = self.last.replace((run.clone(), number));
        let Entry::Record(record) = &entry else { return entry };
        if !std::mem::take(&mut self.is_after_gone) {
            return entry;
        }
        let before = match last {
            Some((last_run, last)) if last_run == run => last,
            _ => 0,
        };
        // The numbers of the errors alone have gaps by nature.
        let missed = match self.log.is_of_errors() {
            true => None,
            false => Some(number.saturating_sub(before).saturating_sub(1)),
        };
        if missed == Some(0) {
            return entry;
        }
        let (file, offset) = (record.file().to_owned(), record.offset());
        self.held = Some(entry);
        Entry::Broken(Broken { file, offset, len: 0, fault: Fault::Missed(missed) })
    }
}

impl<W: FnMut() -> bool> Iterator for Follow<W> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        loop {
            // Known before its end is reached, so that nothing comes after that.
            let is_rotated = self.sources.len() > 1;
            if let Some(source) = self.sources.front_mut() {
                if let Some(entry) = source.next() {
                    return Some(self.told(entry));
                }
                if is_rotated {
                    let rest = source.rest();
                    self.sources.pop_front();
                    self.is_after_gone |= std::mem::take(&mut self.is_gone);
                    if rest.is_some() {
                        return rest;
                    }
                    continue;
                }
                // What can't be looked at now is looked at the next time.
                let _ = source.rewind_if_cut();
            }
            let known = self.sources.len();
            self.look_for_newer();
            if self.sources.len() == known && !(self.wait)() {
                return None;
            }
        }
    }
}

fn numbered(entry: &Entry) -> Option<(String, u64)> {
    match entry {
        Entry::Record(record) => Some((record.run()?.to_owned(), record.seq()?)),
        Entry::Broken(_) => None,
    }
}
