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
    ALREADY_INSTALLED = "log.already_installed",
        "set up one log in a process, in its `main`; add a layer with `build` to a subscriber of your own";
    NOWHERE = "log.nowhere", "give a directory with `with_dir`, or a console with `with_console`";
    DIRECTIVE = "log.directive",
        "write levels as `info,my_crate=debug,hyper=off`, with off, error, warn, info, debug or trace";
    DIR = "log.dir", "give a directory that this user may create and write to";
    IN_USE = "log.in_use", "choose another name, have it numbered, or end the other process";
    SETTING = "log.setting", "correct the setting that the message names";
    IO = "log.io", "look at the cause and at the file that the message names";
    NOT_FOUND = "log.not_found", "look at the directory and at the name before `.log`";
    UNWRITTEN = "log.unwritten", "give it more time, or look at why the disk is slow";
}
