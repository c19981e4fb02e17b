use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};

/// A stable identifier of one way to fail, with one line on what to do.
///
/// A code is `area.snake_case`; a program may branch on it and a person may
/// search for it, so it never changes its meaning. The form is checked at
/// compile time:
///
/// ```
/// use lyra_errors::Code;
///
/// const LOST: Code = Code::new("radio.signal_lost", "move the antenna and try again");
/// assert_eq!(LOST.id(), "radio.signal_lost");
/// ```
///
/// ```compile_fail
/// const BAD: lyra_errors::Code = lyra_errors::Code::new("Signal lost", "move the antenna");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Code {
    id: &'static str,
    hint: &'static str,
}

impl Code {
    /// A code with its hint.
    ///
    /// # Panics
    ///
    /// At compile time where it is a constant: when `id` is not two or more
    /// words of `a-z`, `0-9` and `_` joined by dots, each beginning with a
    /// letter, or when `hint` is not one line. Make it a `const`, so that this
    /// happens where it is written and not where the error arises.
    #[must_use]
    pub const fn new(id: &'static str, hint: &'static str) -> Self {
        assert!(is_dotted(id), "a code is area.snake_case, such as memstore.not_found");
        assert!(is_line(hint), "a code tells in one line what to do");
        Self { id, hint }
    }

    /// The identifier, such as `memstore.dimension_mismatch`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.id
    }

    /// One line on what to do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        self.hint
    }
}

const fn is_dotted(id: &str) -> bool {
    let bytes = id.as_bytes();
    let mut dots = 0;
    let mut at_start = true;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'a'..=b'z' => at_start = false,
            b'0'..=b'9' | b'_' if !at_start => {}
            b'.' if !at_start => {
                dots += 1;
                at_start = true;
            }
            _ => return false,
        }
        i += 1;
    }
    dots > 0 && !at_start
}

pub(crate) const fn is_line(hint: &str) -> bool {
    let bytes = hint.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] < b' ' {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// Two codes are equal when their identifiers are.
impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(other.id)
    }
}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As its identifier.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id)
    }
}

/// The codes of errors that a host program raises by kind alone, through
/// constructors such as [`Error::router`](crate::Error::router).
pub mod host {
    use super::Code;

    /// Of [`Error::model_load`](crate::Error::model_load).
    pub const MODEL_LOAD: Code =
        Code::new("host.model_load", "check that the model's files exist and are complete");
    /// Of [`Error::gpu_memory`](crate::Error::gpu_memory).
    pub const GPU_MEMORY: Code =
        Code::new("host.gpu_memory", "unload a model, or load a smaller one");
    /// Of [`Error::memory`](crate::Error::memory).
    pub const MEMORY: Code =
        Code::new("host.memory", "look at the cause; nothing was written unless it says so");
    /// Of [`Error::consciousness`](crate::Error::consciousness).
    pub const CONSCIOUSNESS: Code =
        Code::new("host.consciousness", "look at the subsystem that the context names");
    /// Of [`Error::router`](crate::Error::router).
    pub const ROUTER: Code = Code::new("host.router", "check the routes and whom they lead to");
    /// Of [`Error::validation`](crate::Error::validation).
    pub const VALIDATION: Code =
        Code::new("host.validation", "correct the field that the context names");
    /// Of [`Error::rate_limit`](crate::Error::rate_limit).
    pub const RATE_LIMIT: Code =
        Code::new("host.rate_limit", "wait as long as the error says, then call again");
    /// Of [`Error::concurrency`](crate::Error::concurrency).
    pub const CONCURRENCY: Code =
        Code::new("host.concurrency", "look for who holds the resource that the context names");
    /// Of [`Error::internal`](crate::Error::internal).
    pub const INTERNAL: Code =
        Code::new("host.internal", "this is a defect: report it with its cause and location");
}

pub(crate) const INVALID_RECORD: Code =
    Code::new("errors.invalid_record", "give one JSON object as `ErrorRecord::to_json` writes it");

pub(crate) const ALREADY_SET: Code =
    Code::new("errors.already_set", "set a process-wide value once, early, in `main`");

/// Every code that this crate can raise.
pub const CODES: &[Code] = &[
    host::MODEL_LOAD,
    host::GPU_MEMORY,
    host::MEMORY,
    host::CONSCIOUSNESS,
    host::ROUTER,
    host::VALIDATION,
    host::RATE_LIMIT,
    host::CONCURRENCY,
    host::INTERNAL,
    INVALID_RECORD,
    ALREADY_SET,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dotted_snake_case_is_a_code() {
        for good in ["a.b", "memstore.not_found", "gpu.mig.slice_2"] {
            assert!(is_dotted(good), "{good}");
        }
        for bad in ["", "a", ".a", "a.", "a..b", "A.b", "a.B", "a b.c", "1a.b", "a._b", "a.ü"] {
            assert!(!is_dotted(bad), "{bad}");
        }
    }

    #[test]
    fn a_hint_is_one_line() {
        assert!(is_line("do this – or that"));
        assert!(!is_line("") && !is_line("two\nlines"));
    }

    #[test]
    fn codes_are_compared_by_identifier() {
        assert!(Code::new("a.b", "z") < Code::new("a.c", "a"));
        assert_eq!(Code::new("a.b", "one"), Code::new("a.b", "two"));
        assert_ne!(Code::new("a.b", "one"), Code::new("a.c", "one"));
    }
}
