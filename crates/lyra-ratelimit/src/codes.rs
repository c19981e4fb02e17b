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
    INVALID = "ratelimit.invalid",
        "correct the setting that the context names";
    NOT_YET = "ratelimit.not_yet",
        "call again when the time in the context has passed, or wait in line with acquire";
    TOO_LATE = "ratelimit.too_late",
        "allow a longer timeout, call less often, or drop the call";
    TIMED_OUT = "ratelimit.timed_out",
        "allow a longer timeout, and look for permits that are held too long";
    BUSY = "ratelimit.busy",
        "wait in line with a timeout; if that times out, look for permits that are held too long";
    TOO_LARGE = "ratelimit.too_large",
        "split the call, or raise the burst of the quota";
    NO_RUNTIME = "ratelimit.no_runtime",
        "call it inside a tokio runtime, or use the blocking twin";
    UNKNOWN_LIMIT = "ratelimit.unknown_limit",
        "name one of the limits that the set was built with";
    NEEDS_PERMIT = "ratelimit.needs_permit",
        "use enter, and keep the permit until the call is over";
    ENGINE = "ratelimit.engine",
        "see the source: what it says of the engine is to be mended, or will pass";
}
