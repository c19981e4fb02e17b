//! Who is compared, how each is started, and what became of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::Child;
use super::orders::{Answer, Order};

/// From the root of the repository, where `cargo xtask bench` runs this.
const SCRIPT: &str = "tests/peers/memstore/peers.py";
/// Of the Python that has the packages; `cargo xtask bench` installs them and
/// sets it.
const PYTHON: &str = "LYRA_BENCH_PYTHON";
/// The word by which this program becomes a contender.
pub(crate) const SERVE: &str = "serve-memstore";

/// What it can do beyond finding the nearest.
#[derive(Debug, Clone, Copy)]
struct Able {
    filter: bool,
    durable_insert: bool,
}

pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) is_ours: bool,
    able: Able,
    command: Result<(PathBuf, Vec<&'static str>), String>,
    store: PathBuf,
    data: PathBuf,
    child: Option<Child>,
}

impl Contender {
    pub(super) fn all(work: &Path) -> Vec<Self> {
        let all = Able { filter: true, durable_insert: true };
        // Its predicates can't be had from Python, and it writes whole files.
        let graph = Able { filter: false, durable_insert: false };
        vec![
            Self::ours(work),
            Self::new("chromadb", all, python("chromadb"), work),
            Self::new("sqlite-vec", all, this_program("sqlite-vec"), work),
            Self::new("usearch", graph, python("usearch"), work),
        ]
    }

    pub(super) fn ours(work: &Path) -> Self {
        let able = Able { filter: true, durable_insert: true };
        Self { is_ours: true, ..Self::new("ours", able, this_program("ours"), work) }
    }

    fn new(
        name: &'static str,
        able: Able,
        command: Result<(PathBuf, Vec<&'static str>), String>,
        work: &Path,
    ) -> Self {
        let (store, data) = (work.join(name), work.join("data"));
        let mut new = Self { name, is_ours: false, able, command, store, data, child: None };
        match &new.command {
            Err(why) => println!("{name} is not measured: {why}"),
            Ok(_) => {
                if let Err(error) = fs::create_dir_all(&new.store) {
                    new.fails(error.to_string());
                }
            }
        }
        new
    }

    /// Starts its process and opens its store there.
    pub(super) fn open(&mut self, for_writing: bool) -> Option<Answer> {
        let (program, words) = self.command.as_ref().ok()?;
        let mut command = Command::new(program);
        command.args(words).arg(&self.store).arg(&self.data);
        match Child::start(command) {
            Ok(child) => self.child = Some(child),
            Err(why) => self.fails(why),
        }
        self.ask(&Order::Open { for_writing })
    }

    /// None where it can't; it is out for good once it fails.
    pub(super) fn ask(&mut self, order: &Order) -> Option<Answer> {
        let is_able = match order {
            Order::Query { by: Some(_), .. } => self.able.filter,
            Order::Add { step: 1, .. } => self.able.durable_insert,
            _ => true,
        };
        let child = self.child.as_mut().filter(|_| is_able)?;
        match child.ask(order) {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.fails(why);
                None
            }
        }
    }

    /// Ends its process, and with it what it holds in memory.
    pub(super) fn close(&mut self) {
        self.child = None;
    }

    /// What its store has on the disk, in MB.
    pub(super) fn on_disk(&self) -> Option<f64> {
        self.command.as_ref().ok()?;
        Some(size_of(&self.store) as f64 / 1e6)
    }

    fn fails(&mut self, why: String) {
        println!("{} is measured no further: {why}", self.name);
        self.child = None;
        self.command = Err(why);
    }
}

fn this_program(kind: &'static str) -> Result<(PathBuf, Vec<&'static str>), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok((program, vec![SERVE, kind]))
}

fn python(peer: &'static str) -> Result<(PathBuf, Vec<&'static str>), String> {
    let python = std::env::var_os(PYTHON);
    let python = python.ok_or_else(|| format!("{PYTHON} names no Python that has it"))?;
    Ok((python.into(), vec![SCRIPT, peer]))
}

fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
