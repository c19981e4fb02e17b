use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less than this needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on stderr where that is a terminal, from the first second on.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    wanted: bool,
}

impl Progress {
    /// Of bytes, whose total is known.
    pub(super) fn of_bytes(what: &'static str, wanted: bool) -> Self {
        Self::new(what, "{msg} {wide_bar} {bytes} of {total_bytes} {eta}", wanted)
    }

    /// Of entries, which are counted as they come.
    pub(super) fn of_entries(what: &'static str, wanted: bool) -> Self {
        Self::new(what, "{spinner} {msg} {human_pos} entries", wanted)
    }

    fn new(what: &'static str, template: &str, wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar, started: Instant::now(), wanted }
    }

    /// `done` of `total`, where the total is known.
    pub(crate) fn set(&mut self, done: u64, total: Option<u64>) {
        if self.wanted && self.started.elapsed() >= PATIENCE {
            // Not a terminal: indicatif draws nothing.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.wanted = false;
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
