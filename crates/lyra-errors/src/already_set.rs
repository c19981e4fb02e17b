use std::fmt;

use crate::{Classify, Code, Error, ErrorKind, code};

/// A process-wide value could not be set because there is one already; it
/// hands back the one that came too late.
///
/// The first one stays, because others may hold a reference to it.
#[derive(Clone, PartialEq, Eq)]
pub struct AlreadySet<T>(pub T);

impl<T> fmt::Debug for AlreadySet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadySet(..)")
    }
}

impl<T> fmt::Display for AlreadySet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process-wide value is set already")
    }
}

impl<T> std::error::Error for AlreadySet<T> {}

impl<T> Classify for AlreadySet<T> {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Concurrency
    }

    fn code(&self) -> Code {
        code::ALREADY_SET
    }
}

impl<T: Send + Sync + 'static> From<AlreadySet<T>> for Error {
    #[track_caller]
    fn from(error: AlreadySet<T>) -> Self {
        Self::from_classified(error)
    }
}
