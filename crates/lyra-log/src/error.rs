use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location};
use snafu::Snafu;

use crate::codes;
use crate::files::FileError;

/// Why logging could not be set up as it was asked for.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum LogError {
    /// The process has a subscriber already.
    #[non_exhaustive]
    #[snafu(display("the process has a log already"))]
    Installed {
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// Neither files nor a console are asked for.
    #[non_exhaustive]
    #[snafu(display("the log would go nowhere"))]
    Nowhere {
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The files cannot be opened or written.
    #[non_exhaustive]
    #[snafu(transparent)]
    Files {
        /// Why.
        source: FileError,
    },

    /// A part of the level directives cannot be read.
    #[non_exhaustive]
    #[snafu(display("`{part}` is no level directive: {reason}"))]
    Directive {
        /// The part between two commas.
        part: String,
        /// What is wrong with it, and what is allowed.
        reason: &'static str,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

impl Classify for LogError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Directive { .. } | Self::Nowhere { .. } => ErrorKind::Validation,
            Self::Installed { .. } => ErrorKind::Internal,
            Self::Files { source } => source.kind(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Directive { .. } => codes::DIRECTIVE,
            Self::Installed { .. } => codes::ALREADY_INSTALLED,
            Self::Nowhere { .. } => codes::NOWHERE,
            Self::Files { source } => source.code(),
        }
    }

    fn context(&self) -> Context {
        match self {
            Self::Directive { part, .. } => Context::new().with("directive", part),
            Self::Installed { .. } | Self::Nowhere { .. } => Context::new(),
            Self::Files { source } => source.context(),
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Directive { location, .. }
            | Self::Installed { location }
            | Self::Nowhere { location } => Some(location),
            Self::Files { source } => source.location(),
        }
    }
}

impl From<LogError> for Error {
    #[track_caller]
    fn from(error: LogError) -> Self {
        Self::from_classified(error)
    }
}
