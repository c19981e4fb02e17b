//! What every area measures with.
//!
//! A figure of a few nanoseconds on a shared machine means nothing by itself.
//! So ours and the peers take turns in slices of about 2 ms, in an order that
//! is shuffled anew each round, and what is compared is the 20th percentile of
//! the rounds: what disturbs the machine disturbs all of them alike, and the
//! undisturbed rounds decide.

mod allocations;
mod at_once;
mod clock;
mod order;
mod pair;
mod rounds;
mod row;
mod shuffle;
mod slice;
mod statistics;
mod table;
mod versions;

pub(crate) use at_once::at_once;
pub(crate) use clock::cpu_time_of;
pub(crate) use order::inversions;
pub(crate) use rounds::{Group, Plan, measure};
pub(crate) use row::{Figure, Row, Timed, figure_rows, timed_rows, wait_rows};
pub(crate) use shuffle::Shuffle;
pub(crate) use statistics::{highest, median, percentile};
pub(crate) use table::{markdown_table, plain_table, short};
pub(crate) use versions::Versions;
