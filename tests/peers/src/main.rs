//! Ours beside their peers, on the same work, in one process.
//!
//! Read it from here: the command line names areas; each area is a module
//! that returns [`Row`](harness::Row)s; the rows are printed, and where it was
//! asked for compared with `goals.toml`, written as JSON, or put into
//! `RESULTS.md`. The areas share the `harness`.

mod arguments;
mod charts;
mod goals;
mod gpu;
mod harness;
mod log;
mod memstore;
mod ratelimit;
mod results;
mod retry;
mod sync;

use std::process::ExitCode;

use arguments::Arguments;
use harness::{Plan, Row, Versions};

/// One area: its name, the peers it measures (as packages), and how.
struct Area {
    name: &'static str,
    peers: &'static [&'static str],
    measure: fn(&Plan) -> Vec<Row>,
}

/// `cargo xtask bench` knows the same names; a test of xtask compares them.
const AREAS: [Area; 6] = [
    Area { name: "retry", peers: &retry::PEERS, measure: retry::measure },
    Area { name: "ratelimit", peers: &ratelimit::PEERS, measure: ratelimit::measure },
    Area { name: "sync", peers: &sync::PEERS, measure: sync::measure },
    Area { name: "log", peers: &log::PEERS, measure: log::measure },
    Area { name: "memstore", peers: &memstore::PEERS, measure: memstore::measure },
    Area { name: "gpu", peers: &gpu::PEERS, measure: gpu::measure },
];

/// What the sources of the scan kernel ask their crate for.
#[allow(dead_code, reason = "one of them will do here")]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Metric {
    Cosine,
    L2,
    InnerProduct,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((word, words)) if word == memstore::SERVE => memstore::serve(words).map(|()| true),
        _ => Arguments::parse(&words).and_then(|arguments| run(&arguments)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("FAILED: {what}");
            ExitCode::from(2)
        }
    }
}

/// Whether all goals are met, or none was asked about.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let goals = goals::committed()?;
    let versions = Versions::of_this_build();
    let plan = Plan::new(arguments.seed);
    println!("{plan}");
    let json = arguments.json.as_deref().map(results::JsonFile::create).transpose()?;
    let mut rows = Vec::new();
    for area in AREAS.iter().filter(|area| arguments.wants(area.name)) {
        println!("\n== {}: {}", area.name, versions.of(area.peers));
        let measured = (area.measure)(&plan);
        print!("{}", harness::plain_table(&measured));
        if arguments.write && !measured.is_empty() {
            let section = results::Section { area: area.name, versions: versions.of(area.peers) };
            results::write(&section, &measured)?;
        }
        rows.extend(measured);
    }
    if let Some(json) = json {
        json.write(&rows)?;
    }
    if !arguments.check {
        return Ok(true);
    }
    let goals: Vec<_> = goals.into_iter().filter(|goal| arguments.wants(&goal.area)).collect();
    Ok(goals::report(&goals, &rows))
}
