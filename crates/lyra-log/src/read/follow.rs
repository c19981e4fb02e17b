//! Reading what is written just now.

use std::collections::VecDeque;

use super::log::Log;
use super::record::Entry;
use super::source::Source;
use crate::files::FileError;
use crate::files::disk::{Disk as _, Os};

/// Entries as they come, see [`Log::follow`]. It ends when the wait says so,
/// and can be asked again after that.
///
/// A rotation is followed by the identity of the file, so that no line is missed
/// as long as an old file is not compressed or removed between two looks.
#[derive(Debug)]
pub struct Follow<W> {
    log: Log,
    /// The first is read; where others wait behind it, it has been rotated.
    sources: VecDeque<Source>,
    wait: W,
}

impl<W: FnMut() -> bool> Follow<W> {
    pub(crate) fn new(log: Log, wait: W) -> Result<Self, FileError> {
        let (mut sources, _) = log.sources()?;
        let mut sources: VecDeque<Source> = sources.pop().into_iter().collect();
        if let Some(newest) = sources.front_mut() {
            while newest.next().is_some() {}
        }
        Ok(Self { log, sources, wait })
    }

    /// Opens what has become newer than the file that is read.
    fn look_for_newer(&mut self) {
        let here = self.sources.front().map(|source| source.id);
        // Where it can't be looked at now, it may be the next time.
        match Os.stat(&self.log.current()) {
            Ok(Some(found)) if Some(found.id) != here => {}
            _ => return,
        }
        let Ok((sources, _)) = self.log.sources() else { return };
        let known = sources.iter().position(|source| Some(source.id) == here);
        // A file that is gone was compressed or removed since the last look: the
        // current one is certainly newer.
        let from = known.map_or(sources.len().saturating_sub(1), |at| at + 1);
        self.sources.extend(sources.into_iter().skip(from));
    }
}

impl<W: FnMut() -> bool> Iterator for Follow<W> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            // Known before its end is reached, so that nothing comes after that.
            let is_rotated = self.sources.len() > 1;
            if let Some(source) = self.sources.front_mut() {
                if let Some(entry) = source.next() {
                    return Some(entry);
                }
                if is_rotated {
                    let rest = source.rest();
                    self.sources.pop_front();
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
