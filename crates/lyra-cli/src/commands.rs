//! One module per command. Each turns arguments into one call of a crate, and
//! what that gives into output.

pub(crate) mod backup;
pub(crate) mod doctor;
pub(crate) mod gpu;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod tour;

use crate::config::{Config, Loaded};
use crate::interrupt::Interrupt;
use crate::output::Output;

/// What every command is given beside its arguments.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) loaded: Loaded,
    pub(crate) output: Output,
    pub(crate) interrupt: Interrupt,
}

impl Context {
    pub(crate) fn config(&self) -> &Config {
        &self.loaded.config
    }
}
