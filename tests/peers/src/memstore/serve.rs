//! The other end of the pipe, for the contenders that are Rust; those that are
//! Python packages have `peers.py`, which says the same.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use super::data::{Line, written_lines, written_queries, written_vectors};
use super::orders::{Answer, By, Cost, Order};
use super::{DIMENSION, ours, sqlite_vec};

pub(super) type Outcome<T> = Result<T, Box<dyn Error>>;

/// One row as a contender stores it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) line: Line,
    pub(super) vector: Vec<f32>,
}

/// A store of vectors, as the orders want it.
pub(super) trait Store {
    fn open(&mut self, for_writing: bool) -> Outcome<()>;
    /// As one durable change.
    fn add(&mut self, records: Vec<Record>) -> Outcome<()>;
    fn query(&mut self, vector: &[f32], only: Option<(By, usize)>) -> Outcome<Vec<String>>;
}

/// Answers orders until there are no more.
pub(crate) fn serve(words: &[String]) -> Result<(), String> {
    let [kind, store, data] = words else { return Err("a kind, a store, the data".to_owned()) };
    let mut store: Box<dyn Store> = match kind.as_str() {
        "ours" => Box::new(ours::Ours::at(Path::new(store))),
        _ => Box::new(sqlite_vec::SqliteVec::at(Path::new(store))),
    };
    let mut rows = Rows { folder: data.into(), queries: None, rows: Default::default() };
    for order in std::io::stdin().lock().lines() {
        let order = order.map_err(|error| error.to_string())?;
        let answer = match answered(&mut *store, &mut rows, &order) {
            Ok(answer) => answer.json(),
            Err(error) => serde_json::json!({ "error": error.to_string() }),
        };
        writeln!(std::io::stdout(), "{answer}").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn answered(store: &mut dyn Store, rows: &mut Rows, order: &str) -> Outcome<Answer> {
    let order = Order::read(&serde_json::from_str(order)?).ok_or("there is no such order")?;
    let mut answer = Answer::default();
    match order {
        Order::Open { for_writing } => {
            if for_writing {
                rows.load()?;
            }
            answer.costs.push(timed(|| store.open(for_writing))?.0);
        }
        Order::Flush => {}
        Order::Add { rows: range, step } => {
            for start in range.clone().step_by(step) {
                let records = rows.records(start..range.end.min(start + step));
                answer.costs.push(timed(|| store.add(records))?.0);
            }
        }
        Order::Query { queries, by } => {
            for query in queries {
                let only = by.map(|by| (by, by.value_for(query)));
                let vector = rows.query(query)?;
                let (cost, ids) = timed(|| store.query(vector, only))?;
                answer.costs.push(cost);
                answer.ids.push(ids);
            }
        }
    }
    Ok(Answer { spent: process_cpu(), resident: resident()?, ..answer })
}

/// Read where they are needed: a process that only reads a store would else be
/// counted with the data set in its memory.
struct Rows {
    folder: PathBuf,
    queries: Option<Vec<f32>>,
    rows: (Vec<f32>, Vec<Line>),
}

impl Rows {
    fn query(&mut self, at: usize) -> Outcome<&[f32]> {
        let queries = match self.queries.take() {
            Some(queries) => queries,
            None => written_queries(&self.folder)?,
        };
        Ok(&self.queries.insert(queries)[at * DIMENSION..][..DIMENSION])
    }

    fn load(&mut self) -> Outcome<()> {
        self.rows = (written_vectors(&self.folder)?, written_lines(&self.folder)?);
        Ok(())
    }

    fn records(&self, range: Range<usize>) -> Vec<Record> {
        let (vectors, lines) = &self.rows;
        let record = |row: usize| Record {
            id: format!("e{row}"),
            line: lines[row].clone(),
            vector: vectors[row * DIMENSION..][..DIMENSION].to_vec(),
        };
        range.map(record).collect()
    }
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(Cost, T)> {
    let (wall, cpu) = (Instant::now(), process_cpu());
    let done = work()?;
    let cost = Cost { cpu: process_cpu() - cpu, wall: wall.elapsed().as_secs_f64() * 1e3 };
    Ok((cost, done))
}

/// Of all threads, in ms.
fn process_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// In MB.
fn resident() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("no VmRSS in the process's status")?.parse::<f64>()? * 1024.0 / 1e6)
}
