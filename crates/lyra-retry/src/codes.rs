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
    INVALID_POLICY = "retry.invalid_policy",
        "correct the setting that the context names";
    EXHAUSTED = "retry.exhausted",
        "look at the cause and its history; more retries of the same will not help soon";
    NOT_RETRYABLE = "retry.not_retryable",
        "look at the cause: the same call would fail again";
    TIMEOUT = "retry.timeout",
        "raise the attempt timeout, or ask for less in one call";
    DEADLINE = "retry.deadline",
        "raise the deadline, or find out why the attempts take so long";
    RETRY_AFTER = "retry.retry_after",
        "call again when the time that the service asked for has passed";
    BUDGET_EMPTY = "retry.budget_empty",
        "the service is in trouble: let it recover before calling again";
    CIRCUIT_OPEN = "retry.circuit_open",
        "wait until the circuit tries again, or close it by hand when the service is back";
}
