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
    INVALID = "gpu.invalid",
        "correct the setting that the context names";
    NO_DEVICE = "gpu.no_device",
        "check the driver, or add a candidate for the CPU";
    TOO_LARGE = "gpu.too_large",
        "add a smaller candidate: this one will never fit under the admission mark";
    NO_ROOM = "gpu.no_room",
        "wait with `acquire`, which makes room, or give back what is in use";
    TIMEOUT = "gpu.timeout",
        "look at what holds the memory in `status`, or allow a longer timeout";
    ALREADY_REGISTERED = "gpu.already_registered",
        "choose another name, or unregister the model that has it";
    UNKNOWN_MODEL = "gpu.unknown_model",
        "check the name against `status`: it may have been evicted";
    IN_USE = "gpu.in_use",
        "drop the handles of the model first";
    LOADING = "gpu.loading",
        "wait until it is loaded, or has failed at the policy's load timeout at the latest";
    LOAD_FAILED = "gpu.load_failed",
        "look at the cause: the loader could not load it";
    OUT_OF_MEMORY = "gpu.out_of_memory",
        "correct the size of the candidate: the device was full although it was admitted";
    CLOSED = "gpu.closed",
        "the manager was shut down: stop, or make a new one";
    NOT_RUNNING = "gpu.not_running",
        "start the manager, and acquire, inside a tokio runtime that goes on";
}
