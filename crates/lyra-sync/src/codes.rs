//! The stable codes of this crate, each with what to do.

use lyra_errors::Code;

macro_rules! codes {
    ($($name:ident = $id:literal, $hint:literal;)*) => {
        $(pub(crate) const $name: Code = Code::new($id, $hint);)*

        /// Every code that this crate can raise.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    TIMEOUT = "sync.timeout",
        "look at what the holder in the context does meanwhile, or allow a longer timeout";
    BUSY = "sync.busy",
        "call again, or wait with a timeout";
    REENTRANT = "sync.reentrant",
        "do not lock again what this thread holds: pass the guard on, or drop it before";
    CLOSED = "sync.closed",
        "it was closed on purpose: stop, or make a new one";
    TOO_MANY = "sync.too_many",
        "ask for fewer at once, or make it with more: so many will never be there";
    INVALID = "sync.invalid",
        "correct the setting that the context names";
    NO_RUNTIME = "sync.no_runtime",
        "call it inside a tokio runtime, or use the blocking twin";
    CREATE_FAILED = "sync.create_failed",
        "look at the cause: the pool's manager could not make a resource";
    CREATE_TIMED_OUT = "sync.create_timed_out",
        "see why the manager takes so long, or allow a longer create timeout";
    CREATE_PANICKED = "sync.create_panicked",
        "mend the panic in the manager or in the hook after creation";
    NOT_RETURNED = "sync.not_returned",
        "look at what the holders in the error do, or allow a longer time to close";
}
