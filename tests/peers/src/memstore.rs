//! `memstore`: what an agent remembers, beside other stores of vectors.
//!
//! Each contender, ours too, is a process of its own that gets its orders over
//! a pipe: so all of them are asked in the same way, the CPU time of all their
//! threads counts, and the memory is that of one store alone. They take turns
//! in an order that is shuffled anew each round; a slice is five calls, of which
//! the median stands for the round.
//!
//! The data set is in the folder that `LYRA_BENCH_DATA` names; without it
//! nothing is measured. `LYRA_BENCH_SIZE` makes a smaller or larger run (its
//! cases have other names than the goals), and `LYRA_BENCH_MILLION=1` adds our
//! own queries at a million.

mod child;
mod contender;
mod data;
mod floor;
mod orders;
mod ours;
mod phases;
mod serve;
mod sqlite_vec;
mod truth;

use std::path::{Path, PathBuf};

use crate::harness::{Plan, Row};
use contender::Contender;
use data::Data;

pub(crate) use contender::SERVE;
pub(crate) use serve::serve;

pub(crate) const PEERS: [&str; 3] = ["chromadb", "sqlite-vec", "usearch"];

const AREA: &str = "memstore";
const DIMENSION: usize = 384;
const TOP: usize = 10;
const SIZE: usize = 100_000;
/// With fewer, a filter of 1 % would leave hardly ten.
const LEAST: usize = 1_000;
const MILLION: usize = 1_000_000;

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    measured(plan).unwrap_or_else(|why| {
        println!("{AREA} is not measured: {why}");
        Vec::new()
    })
}

fn measured(plan: &Plan) -> Result<Vec<Row>, String> {
    let source = std::env::var_os("LYRA_BENCH_DATA");
    let source = source.ok_or("LYRA_BENCH_DATA names no folder with the data set")?;
    let source = Path::new(&source);
    let size = match std::env::var("LYRA_BENCH_SIZE") {
        Err(_) => SIZE,
        Ok(size) => size
            .parse()
            .ok()
            .filter(|size| *size >= LEAST)
            .ok_or_else(|| format!("LYRA_BENCH_SIZE is no number from {LEAST}: `{size}`"))?,
    };
    let work = tempfile::tempdir_in(beside_this_program()?).map_err(|error| error.to_string())?;
    let data = Data::create(source, &work.path().join("data"), size)?;
    let mut contenders = Contender::all(work.path());
    let mut rows = phases::all(plan, &data, &mut contenders);
    drop((data, contenders));
    rows.extend(floor::kernels(plan, size));
    let ours = match std::env::var_os("LYRA_BENCH_MILLION") {
        None => None,
        Some(_) => {
            let work = work.path().join("million");
            let data = Data::create(source, &work.join("data"), MILLION)?;
            Some(phases::filled(&data, Contender::ours(&work)))
        }
    };
    rows.extend(floor::query(MILLION, ours));
    Ok(rows)
}

/// Below the build folder, which is on a disk where `/tmp` may be in memory: a
/// commit is to be as durable as a user has it.
fn beside_this_program() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    program.parent().map(Path::to_owned).ok_or_else(|| "this program is in no folder".to_owned())
}

/// 100k, as the names of cases have it.
fn label(size: usize) -> String {
    match size {
        _ if size.is_multiple_of(MILLION) => format!("{}M", size / MILLION),
        _ if size.is_multiple_of(1_000) => format!("{}k", size / 1_000),
        _ => size.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_short_name() {
        assert_eq!([100_000, 1_000_000, 1_234].map(label), ["100k", "1M", "1234"]);
    }
}
