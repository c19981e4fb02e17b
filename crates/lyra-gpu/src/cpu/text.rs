//! Small text files that the system writes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::source::SourceError;

/// The folder below which the system's files are.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(root: PathBuf) -> Self {
        Self(root)
    }

    /// A file's text; none where there is no such file.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Result<Option<String>, SourceError> {
        let path = path.as_ref();
        match std::fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if is_not_there(error.kind()) => Ok(None),
            Err(error) => Err(self.strange(path, &error.to_string())),
        }
    }

    /// The number that follows a word at the begin of a line; none where no
    /// line begins with it.
    pub(super) fn field(
        &self,
        path: impl AsRef<Path>,
        text: &str,
        key: &str,
    ) -> Result<Option<u64>, SourceError> {
        let line = text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(key)).then(|| words.next().unwrap_or_default())
        });
        line.map(|number| self.number(path, number)).transpose()
    }

    pub(super) fn number(&self, path: impl AsRef<Path>, text: &str) -> Result<u64, SourceError> {
        let text = text.trim();
        text.parse().map_err(|_| {
            let start: String = text.chars().take(40).collect();
            self.strange(path, &format!("has {start:?} where a number belongs"))
        })
    }

    /// A file that does not hold what it should.
    pub(super) fn strange(&self, path: impl AsRef<Path>, what: &str) -> SourceError {
        SourceError::Failed { reason: format!("{} {what}", self.0.join(path).display()) }
    }
}

/// A group may also end while its files are read.
fn is_not_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
