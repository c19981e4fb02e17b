use std::borrow::Cow;
use std::error::Error as StdError;

use crate::{Code, Error, ErrorKind, Value};

/// What a `Result` of any error learns by `use lyra_errors::ResultExt`.
pub trait ResultExt<T, E> {
    /// Turns a foreign error into an [`Error`] of that kind, code and message,
    /// with the foreign one as its cause. Also takes what is no error type but
    /// can become one: a text, or a boxed error. One of ours keeps its recovery
    /// and its severity.
    ///
    /// ```
    /// use lyra_errors::{Code, ErrorKind, ResultExt};
    ///
    /// const UNREADABLE: Code = Code::new("notes.unreadable", "check the path and its rights");
    ///
    /// let error = std::fs::read("/no/such/file")
    ///     .classify(ErrorKind::Memory, UNREADABLE, "cannot read the notes")
    ///     .add_context("path", "/no/such/file")
    ///     .unwrap_err();
    /// assert_eq!(error.code(), UNREADABLE);
    /// assert!(error.causes().next().is_some());
    /// ```
    ///
    /// # Errors
    ///
    /// When `self` is one.
    #[track_caller]
    fn classify(
        self,
        kind: ErrorKind,
        code: Code,
        message: impl Into<Cow<'static, str>>,
    ) -> Result<T, Error>
    where
        E: Into<Box<dyn StdError + Send + Sync>>;

    /// Adds a named value to the error, where there is one.
    ///
    /// # Errors
    ///
    /// When `self` is one.
    #[track_caller]
    fn add_context(
        self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Result<T, Error>
    where
        E: Into<Error>;

    /// Puts a message of the caller's level above the error, where there is
    /// one; see [`Error::wrap`].
    ///
    /// # Errors
    ///
    /// When `self` is one.
    #[track_caller]
    fn wrap(self, message: impl Into<Cow<'static, str>>) -> Result<T, Error>
    where
        E: Into<Error>;
}

// Each arm is a `match` and not a `map_err`: a closure would be the caller
// that `track_caller` sees.
impl<T, E> ResultExt<T, E> for Result<T, E> {
    fn classify(
        self,
        kind: ErrorKind,
        code: Code,
        message: impl Into<Cow<'static, str>>,
    ) -> Result<T, Error>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        match self {
            Ok(value) => Ok(value),
            Err(error) => {
                let source = error.into();
                let advice = source.downcast_ref::<Error>().map(|e| (e.recovery(), e.severity()));
                let (recovery, severity) = advice.unwrap_or_default();
                Err(Error::new(kind, code, message)
                    .with_recovery(recovery)
                    .with_severity(severity)
                    .with_source(source))
            }
        }
    }

    fn add_context(
        self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Result<T, Error>
    where
        E: Into<Error>,
    {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error.into().with_context(key, value)),
        }
    }

    fn wrap(self, message: impl Into<Cow<'static, str>>) -> Result<T, Error>
    where
        E: Into<Error>,
    {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error.into().wrap(message)),
        }
    }
}
