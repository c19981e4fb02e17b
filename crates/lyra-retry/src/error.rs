use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location};
use snafu::Snafu;

use crate::codes;

/// Why a policy, a budget or a circuit breaker could not be built.
#[derive(Debug, Clone, PartialEq, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum PolicyError {
    /// A setting cannot be meant.
    #[non_exhaustive]
    #[snafu(display("`{setting}` is not valid: {reason}, and it is {given}"))]
    Invalid {
        /// The setting.
        setting: &'static str,
        /// What it has to be.
        reason: &'static str,
        /// What was given.
        given: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

impl Classify for PolicyError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Validation
    }

    fn code(&self) -> Code {
        codes::INVALID_POLICY
    }

    fn context(&self) -> Context {
        let Self::Invalid { setting, given, .. } = self;
        Context::new().with("setting", *setting).with("given", given)
    }

    fn location(&self) -> Option<Location> {
        let Self::Invalid { location, .. } = self;
        Some(location)
    }
}

impl From<PolicyError> for Error {
    #[track_caller]
    fn from(error: PolicyError) -> Self {
        Self::from_classified(error)
    }
}

/// Refuses `setting` unless `holds`.
#[track_caller]
pub(crate) fn require(
    holds: bool,
    setting: &'static str,
    reason: &'static str,
    given: impl std::fmt::Debug,
) -> Result<(), PolicyError> {
    if holds {
        return Ok(());
    }
    InvalidSnafu { setting, reason, given: format!("{given:?}") }.fail()
}
