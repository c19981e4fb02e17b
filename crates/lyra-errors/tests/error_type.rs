//! What the error type promises to the programs that pass it around.

use std::error::Error as StdError;
use std::time::Duration;

use lyra_errors::{
    CODES, Classify, Code, Context, Error, ErrorKind, Recovery, ResultExt, Severity, host,
};
use snafu::{Location, ResultExt as _, Snafu};

const BROKEN: Code = Code::new("engine.broken", "replace the part");

#[derive(Debug, Snafu)]
enum EngineError {
    #[snafu(display("the {part} broke"))]
    Broken {
        part: &'static str,
        source: std::io::Error,
        #[snafu(implicit)]
        location: Location,
    },
}

impl Classify for EngineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::GpuMemory
    }
    fn code(&self) -> Code {
        BROKEN
    }
    fn recovery(&self) -> Recovery {
        Recovery::retry_after(Duration::from_secs(3))
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn context(&self) -> Context {
        let Self::Broken { part, .. } = self;
        Context::new().with("part", *part)
    }
    fn location(&self) -> Option<Location> {
        let Self::Broken { location, .. } = self;
        Some(location)
    }
}

impl From<EngineError> for Error {
    #[track_caller]
    fn from(error: EngineError) -> Self {
        Self::from_classified(error)
    }
}

const BROKEN_LINE: u32 = line!();
fn break_it() -> Result<(), EngineError> {
    Err(std::io::Error::other("rust")).context(BrokenSnafu { part: "valve" })
}

fn through_question_mark() -> Result<(), Error> {
    break_it()?;
    Ok(())
}

#[test]
fn it_is_one_word_and_may_cross_threads() {
    fn may_cross<T: Send + Sync + 'static>() {}
    may_cross::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Error>>(), size_of::<usize>());
}

#[test]
fn a_crates_own_error_keeps_all_it_tells_through_the_question_mark() {
    let error = through_question_mark().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GpuMemory);
    assert!(error.is_a(ErrorKind::ModelLoad));
    assert_eq!(error.code(), BROKEN);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert_eq!(error.severity(), Severity::Warning);
    assert_eq!(error.context().value("part").unwrap().to_string(), "valve");
    assert_eq!(error.to_string(), "the valve broke");
    assert_eq!(error.source().unwrap().to_string(), "rust");
    assert_eq!(error.causes().count(), 1);
    assert!((BROKEN_LINE..BROKEN_LINE + 4).contains(&error.location().line()), "where it arose");
}

#[test]
fn a_crates_own_error_can_be_had_back() {
    let error = through_question_mark().unwrap_err();
    assert!(error.is::<EngineError>());
    assert!(error.is::<std::io::Error>(), "a cause counts");
    assert!(!error.is::<std::fmt::Error>());
    let error = error.downcast::<std::fmt::Error>().unwrap_err();
    let EngineError::Broken { part, .. } = error.downcast().unwrap();
    assert_eq!(part, "valve");
}

#[test]
fn wrapping_keeps_the_advice_and_adds_a_level() {
    let error = break_it().wrap("cannot start").unwrap_err();
    assert_eq!(error.to_string(), "cannot start");
    assert_eq!(error.code(), BROKEN);
    assert!(error.is_recoverable());
    assert_eq!(error.severity(), Severity::Warning);
    let causes: Vec<_> = error.causes().map(ToString::to_string).collect();
    assert_eq!(causes, ["the valve broke", "rust"]);
    assert!(error.is::<EngineError>(), "found inside the wrapped error");
    assert!(error.downcast::<EngineError>().is_err(), "but it was made from a message");
}

#[test]
fn errors_are_found_however_they_travel() {
    use std::sync::Arc;
    let own = || Error::from(break_it().unwrap_err());
    let host = || Error::new(ErrorKind::Internal, BROKEN, "above");
    for error in [
        own().wrap("a").wrap("b"),
        host().with_source(own()),
        host().with_source(Arc::new(own())),
        host().with_source(Box::new(own())),
        Error::from_classified(own()),
        Error::from_classified(Arc::new(own())),
    ] {
        assert!(error.is::<EngineError>(), "{error:?}");
        assert!(error.is::<std::io::Error>(), "{error:?}");
    }
    assert!(own().wrap("a").is::<Error>());
    let replaced = own().with_source(std::fmt::Error);
    assert_eq!(
        replaced.causes().map(ToString::to_string).collect::<Vec<_>>(),
        ["an error occurred when formatting an argument"]
    );
}

#[test]
fn classifying_one_of_ours_keeps_its_advice() {
    let limited: Result<(), Error> =
        Err(Error::rate_limit("arxiv", None, "m").with_severity(Severity::Critical));
    let error = limited.classify(ErrorKind::Router, BROKEN, "above").unwrap_err();
    assert!(error.is_recoverable());
    assert_eq!((error.kind(), error.severity()), (ErrorKind::Router, Severity::Critical));
    let text = Err::<(), _>("only a text").classify(ErrorKind::Router, BROKEN, "above");
    assert_eq!(text.unwrap_err().causes().next().unwrap().to_string(), "only a text");
}

#[test]
fn a_foreign_result_gets_kind_code_and_message_in_one_call() {
    let here = line!();
    let error = "x"
        .parse::<i32>()
        .classify(ErrorKind::Validation, BROKEN, "not a number")
        .add_context("text", "x")
        .unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Validation, BROKEN));
    assert!((here..here + 6).contains(&error.location().line()), "the location is the caller's");
    assert!(error.location().file().ends_with("error_type.rs"));
    assert_eq!(error.causes().count(), 1);
    assert_eq!("7".parse::<i32>().classify(ErrorKind::Validation, BROKEN, "").unwrap(), 7);
}

#[test]
fn the_location_is_where_an_unlocated_error_was_converted() {
    #[derive(Debug, Snafu)]
    struct Bare;
    impl Classify for Bare {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Internal
        }
        fn code(&self) -> Code {
            BROKEN
        }
    }
    impl From<Bare> for Error {
        #[track_caller]
        fn from(error: Bare) -> Self {
            Self::from_classified(error)
        }
    }
    fn fails() -> Result<u32, Error> {
        Err(Bare)?;
        Ok(line!())
    }
    let here = line!() - 3;
    assert_eq!(fails().unwrap_err().location().line(), here);
}

#[test]
fn each_kind_has_a_constructor_with_its_promised_fields() {
    let wait = Some(Duration::from_secs(9));
    let made = [
        (Error::model_load("llama", "m"), "host.model_load", vec!["model_name"]),
        (Error::gpu_memory(7, 8, "m"), "host.gpu_memory", vec!["memory_used", "memory_total"]),
        (Error::memory("add", "m"), "host.memory", vec!["operation"]),
        (Error::consciousness("mood", "m"), "host.consciousness", vec!["subsystem"]),
        (Error::router("m"), "host.router", vec![]),
        (Error::validation("tags", "m"), "host.validation", vec!["field"]),
        (Error::rate_limit("arxiv", wait, "m"), "host.rate_limit", vec!["service"]),
        (Error::concurrency("gpu0", "m"), "host.concurrency", vec!["resource"]),
        (Error::internal("m"), "host.internal", vec![]),
    ];
    assert_eq!(made.len(), ErrorKind::ALL.len());
    for ((error, code, keys), kind) in made.iter().zip(ErrorKind::ALL) {
        assert_eq!((error.kind(), error.code().id()), (*kind, *code));
        assert_eq!(error.context().iter().map(|(key, _)| key).collect::<Vec<_>>(), *keys);
        assert!(CODES.contains(&error.code()));
        assert_eq!(error.retry_after(), wait.filter(|_| *kind == ErrorKind::RateLimit));
        assert!(error.location().file().ends_with("error_type.rs"));
    }
}

#[test]
fn an_error_is_permanent_unless_it_says_otherwise() {
    let error = Error::router("m");
    assert_eq!(error.recovery(), Recovery::Permanent);
    let error = error.with_recovery(Recovery::Exhausted).with_code(BROKEN);
    assert!(!error.is_recoverable());
    assert_eq!(error.code().hint(), "replace the part");
    assert_ne!(error.code(), host::ROUTER);
}

#[test]
fn classify_reaches_through_pointers() {
    let error = std::sync::Arc::new(Error::router("m").with_context("a", 1));
    let by_reference: &dyn Classify = &&error;
    assert_eq!(by_reference.kind(), ErrorKind::Router);
    assert_eq!(by_reference.context().len(), 1);
    assert!(by_reference.location().is_some());
    assert_eq!(by_reference.severity(), Severity::Error);
    assert_eq!(by_reference.code(), host::ROUTER);
    assert_eq!(by_reference.recovery(), Recovery::Permanent);
    let shared = std::sync::Arc::new(through_question_mark().unwrap_err());
    assert_eq!(Classify::code(&shared), BROKEN);
    assert!(Classify::recovery(&Box::new(shared)).is_recoverable());
}
