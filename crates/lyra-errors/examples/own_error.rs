//! How does my crate's own error become one that everyone understands?

use std::time::Duration;

use lyra_errors::{Classify, Code, Context, Error, ErrorKind, Recovery, Result};
use snafu::{Location, Snafu, ensure};

const BUSY: Code = Code::new("oracle.busy", "wait until the oracle has answered the others");

#[derive(Debug, Snafu)]
#[non_exhaustive]
enum OracleError {
    #[snafu(display("the oracle is busy with {ahead} other questions"))]
    Busy {
        ahead: u32,
        #[snafu(implicit)]
        location: Location,
    },
}

impl Classify for OracleError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::RateLimit
    }

    fn code(&self) -> Code {
        BUSY
    }

    fn recovery(&self) -> Recovery {
        let Self::Busy { ahead, .. } = self;
        Recovery::retry_after(Duration::from_secs(2) * *ahead)
    }

    fn context(&self) -> Context {
        let Self::Busy { ahead, .. } = self;
        Context::new().with("ahead", *ahead)
    }

    fn location(&self) -> Option<Location> {
        let Self::Busy { location, .. } = self;
        Some(location)
    }
}

impl From<OracleError> for Error {
    #[track_caller]
    fn from(error: OracleError) -> Self {
        Self::from_classified(error)
    }
}

fn ask(ahead: u32) -> Result<&'static str, OracleError> {
    ensure!(ahead == 0, BusySnafu { ahead });
    Ok("42")
}

fn answer() -> Result<&'static str> {
    Ok(ask(3)?)
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() {
    let error = answer().expect_err("three are ahead of us");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(6)));
    assert!(matches!(error.downcast_ref(), Some(OracleError::Busy { ahead: 3, .. })));
    println!("{error:?}\n\n{}", error.to_json());
}
