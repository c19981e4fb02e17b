use std::time::SystemTime;

use crate::Redaction;

/// How lines are made, of whichever format.
///
/// | setting | default |
/// |---|---|
/// | [`with_redaction`](Self::with_redaction) | [`Redaction::new`] |
/// | [`with_max_value_bytes`](Self::with_max_value_bytes) | 64 KiB |
/// | [`with_max_line_bytes`](Self::with_max_line_bytes) | 1 MiB |
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) redaction: Redaction,
    pub(crate) max_value: usize,
    pub(crate) max_line: usize,
    pub(crate) now: fn() -> SystemTime,
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            redaction: Redaction::new(),
            max_value: 64 * 1024,
            max_line: 1024 * 1024,
            now: SystemTime::now,
        }
    }

    /// What must not stand in a line.
    #[must_use]
    pub fn with_redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// The most bytes of one text, before escaping: a longer one ends in
    /// `…[+123 bytes]`. At least 64, and at most an eighth of a line, so that
    /// a message always fits.
    #[must_use]
    pub fn with_max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value = bytes.max(64);
        self
    }

    /// The most bytes of the fields of one line, escaped. Fields that would go
    /// beyond are left out, and `fields_dropped` says how many. At least 1 KiB.
    #[must_use]
    pub fn with_max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line = bytes.max(1024);
        self
    }

    pub(crate) fn max_text(&self) -> usize {
        self.max_value.min(self.max_line / 8)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
