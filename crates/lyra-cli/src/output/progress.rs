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
    pub(super) fn new(what: &'static str, bytes: bool, wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let count = if bytes { "{bytes} of {total_bytes}" } else { "{human_pos} of {human_len}" };
        if let Ok(style) =
            ProgressStyle::with_template(&format!("{{msg}} {{wide_bar}} {count} {{eta}}"))
        {
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
