use crate::{Code, Context, ErrorKind, Location, Recovery, Severity};

/// What an error of any crate tells about itself.
///
/// Each crate's own error enum implements it, so that a caller of one crate
/// can branch on the enum, while retry, logging and the command treat the
/// errors of all crates alike.
///
/// ```
/// use lyra_errors::{Classify, Code, ErrorKind, Recovery};
///
/// // Constants, so that their form is checked at compile time.
/// const JAMMED: Code = Code::new("radio.jammed", "change the frequency");
/// const NO_ANTENNA: Code = Code::new("radio.no_antenna", "plug one in");
///
/// #[derive(Debug)]
/// enum RadioError { Jammed, NoAntenna }
///
/// impl Classify for RadioError {
///     fn kind(&self) -> ErrorKind {
///         ErrorKind::Router
///     }
///     fn code(&self) -> Code {
///         match self {
///             Self::Jammed => JAMMED,
///             Self::NoAntenna => NO_ANTENNA,
///         }
///     }
///     fn recovery(&self) -> Recovery {
///         match self {
///             Self::Jammed => Recovery::RETRY,
///             Self::NoAntenna => Recovery::Permanent,
///         }
///     }
/// }
///
/// assert!(RadioError::Jammed.recovery().is_recoverable());
/// ```
pub trait Classify {
    /// Which part of the agent it is about.
    fn kind(&self) -> ErrorKind;

    /// The stable code, with its hint.
    fn code(&self) -> Code;

    /// What the caller can do, and after which wait. Permanent by default.
    fn recovery(&self) -> Recovery {
        Recovery::Permanent
    }

    /// How loudly to tell it. [`Severity::Error`] by default.
    fn severity(&self) -> Severity {
        Severity::Error
    }

    /// The named values of the failure. Empty by default.
    fn context(&self) -> Context {
        Context::new()
    }

    /// Where in the source it arose. Unknown by default.
    fn location(&self) -> Option<Location> {
        None
    }
}

macro_rules! classify_through_deref {
    ($($pointer:ty),*) => {$(
        impl<T: Classify + ?Sized> Classify for $pointer {
            fn kind(&self) -> ErrorKind {
                (**self).kind()
            }
            fn code(&self) -> Code {
                (**self).code()
            }
            fn recovery(&self) -> Recovery {
                (**self).recovery()
            }
            fn severity(&self) -> Severity {
                (**self).severity()
            }
            fn context(&self) -> Context {
                (**self).context()
            }
            fn location(&self) -> Option<Location> {
                (**self).location()
            }
        }
    )*};
}

classify_through_deref!(&T, Box<T>, std::sync::Arc<T>);
