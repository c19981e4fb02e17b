use std::sync::Arc;
use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Location, Recovery};
use snafu::Snafu;

use crate::bytes::Size;
use crate::codes;
use crate::load::LoadError;

/// Why there is no memory, or no model.
#[derive(Debug, Clone, Snafu)]
#[snafu(visibility(pub(crate)))]
#[non_exhaustive]
pub enum GpuError {
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

    /// There is no such device, or none that could be measured.
    #[non_exhaustive]
    #[snafu(display("no device for this: {reason}"))]
    NoDevice {
        /// What was looked for, and what was found instead.
        reason: String,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// No candidate would fit on an empty device.
    #[non_exhaustive]
    #[snafu(display(
        "{model}: the smallest candidate takes {}, and at most {} are ever admitted",
        Size(*bytes), Size(*largest)
    ))]
    TooLarge {
        /// The model.
        model: Arc<str>,
        /// What its smallest candidate takes, in bytes.
        bytes: u64,
        /// What can be admitted on an empty device, in bytes.
        largest: u64,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// No candidate fits as things are now.
    #[non_exhaustive]
    #[snafu(display("{model}: no room now for any candidate"))]
    NoRoom {
        /// The model.
        model: Arc<str>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// There was no room within the timeout.
    #[non_exhaustive]
    #[snafu(display("{model}: not loaded within {waited:?}"))]
    Timeout {
        /// The model.
        model: Arc<str>,
        /// How long the caller waited.
        waited: Duration,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// There is a model of this name.
    #[non_exhaustive]
    #[snafu(display("{model}: there is a model of this name already"))]
    AlreadyRegistered {
        /// The model.
        model: Arc<str>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// There is no model of this name.
    #[non_exhaustive]
    #[snafu(display("{model}: there is no model of this name"))]
    UnknownModel {
        /// The model.
        model: Arc<str>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// Somebody uses the model.
    #[non_exhaustive]
    #[snafu(display("{model}: it is in use, {refs} times"))]
    InUse {
        /// The model.
        model: Arc<str>,
        /// How many handles are out.
        refs: usize,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The model is being loaded, or its memory is reserved for that.
    #[non_exhaustive]
    #[snafu(display("{model}: it is being loaded"))]
    Loading {
        /// The model.
        model: Arc<str>,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The loader could not load it, with any candidate that fits.
    #[non_exhaustive]
    #[snafu(display("{model}: it could not be loaded"))]
    LoadFailed {
        /// The model.
        model: Arc<str>,
        /// What the loader said.
        source: LoadError,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// The manager was shut down.
    #[non_exhaustive]
    #[snafu(display("the manager was shut down"))]
    Closed {
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },

    /// Nobody would load or unload anything.
    #[non_exhaustive]
    #[snafu(display("nobody would load or unload: {reason}"))]
    NotRunning {
        /// What is missing.
        reason: &'static str,
        #[snafu(implicit)]
        #[allow(missing_docs, reason = "where the error arose")]
        location: Location,
    },
}

impl GpuError {
    fn model(&self) -> Option<&str> {
        match self {
            Self::TooLarge { model, .. }
            | Self::NoRoom { model, .. }
            | Self::Timeout { model, .. }
            | Self::AlreadyRegistered { model, .. }
            | Self::UnknownModel { model, .. }
            | Self::InUse { model, .. }
            | Self::Loading { model, .. }
            | Self::LoadFailed { model, .. } => Some(model),
            Self::Invalid { .. }
            | Self::NoDevice { .. }
            | Self::Closed { .. }
            | Self::NotRunning { .. } => None,
        }
    }
}

impl Classify for GpuError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::AlreadyRegistered { .. } | Self::UnknownModel { .. } => {
                ErrorKind::Validation
            }
            Self::TooLarge { .. } | Self::NoRoom { .. } | Self::Timeout { .. } => {
                ErrorKind::GpuMemory
            }
            Self::LoadFailed { source, .. } if source.is_out_of_memory() => ErrorKind::GpuMemory,
            Self::LoadFailed { .. } | Self::NoDevice { .. } => ErrorKind::ModelLoad,
            Self::InUse { .. } | Self::Loading { .. } => ErrorKind::Concurrency,
            Self::Closed { .. } | Self::NotRunning { .. } => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => codes::INVALID,
            Self::NoDevice { .. } => codes::NO_DEVICE,
            Self::TooLarge { .. } => codes::TOO_LARGE,
            Self::NoRoom { .. } => codes::NO_ROOM,
            Self::Timeout { .. } => codes::TIMEOUT,
            Self::AlreadyRegistered { .. } => codes::ALREADY_REGISTERED,
            Self::UnknownModel { .. } => codes::UNKNOWN_MODEL,
            Self::InUse { .. } => codes::IN_USE,
            Self::Loading { .. } => codes::LOADING,
            Self::LoadFailed { source, .. } if source.is_out_of_memory() => codes::OUT_OF_MEMORY,
            Self::LoadFailed { .. } => codes::LOAD_FAILED,
            Self::Closed { .. } => codes::CLOSED,
            Self::NotRunning { .. } => codes::NOT_RUNNING,
        }
    }

    fn recovery(&self) -> Recovery {
        match self {
            Self::NoRoom { .. }
            | Self::Timeout { .. }
            | Self::InUse { .. }
            | Self::Loading { .. } => Recovery::RETRY,
            _ => Recovery::Permanent,
        }
    }

    fn context(&self) -> Context {
        let mut context = Context::new();
        if let Some(model) = self.model() {
            context = context.with("model_name", model.to_owned());
        }
        match self {
            Self::Invalid { setting, given, .. } => {
                context.with("setting", *setting).with("given", given.clone())
            }
            Self::TooLarge { bytes, largest, .. } => {
                context.with("bytes", *bytes).with("largest_bytes", *largest)
            }
            Self::Timeout { waited, .. } => context.with("waited_seconds", waited.as_secs_f64()),
            Self::InUse { refs, .. } => context.with("handles", *refs as u64),
            _ => context,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Invalid { location, .. }
            | Self::NoDevice { location, .. }
            | Self::TooLarge { location, .. }
            | Self::NoRoom { location, .. }
            | Self::Timeout { location, .. }
            | Self::AlreadyRegistered { location, .. }
            | Self::UnknownModel { location, .. }
            | Self::InUse { location, .. }
            | Self::Loading { location, .. }
            | Self::LoadFailed { location, .. }
            | Self::Closed { location, .. }
            | Self::NotRunning { location, .. } => Some(location),
        }
    }
}

impl From<GpuError> for Error {
    #[track_caller]
    fn from(error: GpuError) -> Self {
        Self::from_classified(error)
    }
}
