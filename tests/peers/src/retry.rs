//! `retry`: what a call costs that needs no retry, which is nearly every call.
//!
//! The operation is the same for all: it succeeds, but the compiler can't
//! know. The policy is the same for all as well: 3 retries after 1, 2 and 4 s,
//! without jitter, which is the default of `backon` and the preset
//! `promised()` of ours. Each policy is made once, in the form that is
//! cheapest for its crate to begin a call from.

mod blocking;
mod one_failure;
mod polled;

use std::hint::black_box;

use lyra_errors::{Classify, Code, ErrorKind, Recovery};

use crate::harness::{self, Plan, Row};

pub(crate) const PEERS: [&str; 3] = ["backon", "backoff", "tokio-retry2"];

const AREA: &str = "retry";

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    harness::measure(plan, vec![blocking::success(), polled::success(), one_failure::blocking()])
}

/// An error without weight, so that making one is no part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Busy;

const BUSY: Code = Code::new("peers.busy", "call again");

impl Classify for Busy {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Router
    }

    fn code(&self) -> Code {
        BUSY
    }

    fn recovery(&self) -> Recovery {
        Recovery::RETRY
    }
}

/// The operation that succeeds.
fn succeed() -> Result<u64, Busy> {
    black_box(Ok(7))
}
