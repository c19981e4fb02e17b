use lyra::log::read::{Broken, Fault};

use crate::output::Output;

/// What was met and is no record. It is told beside the result, so that nobody
/// takes silence for an answer.
#[derive(Debug)]
pub(super) struct Unread {
    output: Output,
    lines: u64,
}

impl Unread {
    pub(super) fn new(output: Output) -> Self {
        Self { output, lines: 0 }
    }

    /// Tells what can't be read at all; lines are counted.
    pub(super) fn met(&mut self, broken: &Broken) {
        let file = broken.file.display();
        match &broken.fault {
            Fault::Damaged(why) => self.output.warn(format_args!("{file} can't be read: {why}")),
            Fault::Missed(Some(records)) => {
                self.output
                    .warn(format_args!("{records} records were removed before they were read"));
            }
            Fault::Missed(None) => {
                self.output.warn("files were removed, perhaps before they were read");
            }
            _ => self.lines += 1,
        }
    }

    /// Tells how many lines there were since it was asked last.
    pub(super) fn tell(&mut self) {
        match std::mem::take(&mut self.lines) {
            0 => {}
            1 => self.output.warn("1 line is no record; `lyra log verify` names it"),
            lines => self
                .output
                .warn(format_args!("{lines} lines are no records; `lyra log verify` names them")),
        }
    }
}
