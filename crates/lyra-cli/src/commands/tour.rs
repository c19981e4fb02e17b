mod agreement;
mod calls;
mod comparison;
mod http;
mod journey;
mod locks;
mod models;
mod service;
mod stage;
mod texts;
mod timeline;
mod writer;

use std::time::{Duration, Instant};

use lyra::backup::{BackupManager, CreateOptions};
use lyra::errors::Result;
use lyra::memstore::{
    Collection, Entry, FileSort, ImportOptions, MemoryError, MemoryStore, Query, Space,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::memory::import;
use crate::args::TourArgs;
use crate::error::ComparisonSnafu;
use crate::error::NoSuchPathSnafu;
use crate::exit::Exit;
use crate::output::table::{preview, table};
use crate::output::units;
use comparison::{Comparison, contents};
use stage::Stage;
use texts::Texts;
use writer::Writer;

pub(crate) fn run(args: TourArgs, context: &Context) -> Result<Exit> {
    let stage = Stage::set(args.keep, &context.interrupt)?;
    let texts = Texts::find(args.from, &stage)?;
    context.output.step(format_args!("lyra tour: the whole job on {texts}\n"))?;
    // What it does is in a log, which it reads at the end.
    lyra::log::builder(journey::LOG)
        .with_dir(stage.logs())
        .scoped(|_| steps(&stage, &texts, context))?
}

fn steps(stage: &Stage, texts: &Texts, context: &Context) -> Result<Exit> {
    let mut tour = Tour::begin(stage, context)?;
    tour.import(texts)?;
    tour.commit()?;
    tour.roll_back()?;
    tour.search()?;
    tour.call()?;
    tour.lock()?;
    tour.manage()?;
    let backup = tour.back_up_under_load()?;
    tour.validate(&backup.name)?;
    tour.restore(&backup.name)?;
    tour.compare(&backup)?;
    tour.read_log()?;
    tour.end(texts)?;
    Ok(Exit::Done)
}

/// What is under way, and what was done so far.
struct Tour<'a> {
    stage: &'a Stage,
    context: &'a Context,
    store: MemoryStore,
    journal: Collection,
    facts: Collection,
    backups: BackupManager,
    steps: Vec<Step>,
}

/// A row of the table at the end.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    result: String,
    counts: Value,
    seconds: f64,
}

/// A backup, and what was in the store when it began.
struct BackedUp {
    name: String,
    before: comparison::Contents,
}

impl<'a> Tour<'a> {
    fn begin(stage: &'a Stage, context: &'a Context) -> Result<Self> {
        let store = MemoryStore::open(stage.store())?;
        let space = Space::lexical(context.config().memstore.dimension);
        Ok(Self {
            journal: store.collection("journal", space.clone())?,
            facts: store.collection("facts", space)?,
            backups: BackupManager::builder(stage.store(), stage.backups()).build()?,
            steps: Vec::new(),
            stage,
            context,
            store,
        })
    }

    /// The same code as `lyra memory import`.
    fn import(&mut self, texts: &Texts) -> Result<()> {
        let started = Instant::now();
        let interrupt = &self.context.interrupt;
        let mut options = ImportOptions::default();
        options.folder_sorts = vec![FileSort::Markdown];
        let paths = [texts.root().to_owned()];
        let report = import(&self.journal, &paths, &options, &mut |_| interrupt.give_way())?;
        if report.added == 0 {
            let path = texts.root().join("*.md");
            return Err(NoSuchPathSnafu { path }.build().into());
        }
        for fault in &report.faults {
            self.context.output.warn(format_args!(
                "left out: {}: {}",
                fault.file.display(),
                fault.fault
            ));
        }
        let count = self.journal.count()?;
        ensure(count == report.added && count > 0, || {
            format!("{} were reported as added, and {count} are there", report.added)
        })?;
        self.done(
            "import",
            format!(
                "{} of {}, each validated{}",
                units::entries(report.added),
                units::count(report.files - report.skipped_files, "file"),
                match report.skipped_files {
                    0 => String::new(),
                    skipped => format!("; {} left out", units::count(skipped, "file")),
                }
            ),
            json!({ "files": report.files, "entries": report.added }),
            started.elapsed(),
        )
    }

    fn commit(&mut self) -> Result<()> {
        let started = Instant::now();
        let before = self.counts()?;
        self.store.transaction(|tx| -> Result<(), MemoryError> {
            tx.add("journal", Entry::journal("The tour began.", "A beginning").with_id("tour"))?;
            tx.add("facts", Entry::fact("A tour has twelve steps.").with_id("tour"))?;
            Ok(())
        })?;
        let after = self.counts()?;
        ensure(after == (before.0 + 1, before.1 + 1), || {
            format!("one transaction led from {before:?} entries to {after:?}")
        })?;
        self.done(
            "commit",
            format!(
                "one transaction over two collections: journal {} → {}, facts {} → {}",
                before.0, after.0, before.1, after.1
            ),
            json!({ "journal": after.0, "facts": after.1 }),
            started.elapsed(),
        )
    }

    /// The first step of the transaction is good, the second is not.
    fn roll_back(&mut self) -> Result<()> {
        let started = Instant::now();
        let before = self.counts()?;
        let operation = lyra::log::operation!("roll_back", collections = "journal, facts");
        let _inside = operation.span().enter();
        tracing::info!(target: journey::TARGET, journal = before.0, facts = before.1, "begun");
        let failed = self.store.transaction(|tx| -> Result<(), MemoryError> {
            tx.add("journal", Entry::journal("Half of a story.", "Half").with_id("half"))?;
            tx.add("facts", Entry::fact("").with_tags(["not a tag"]))?;
            Ok(())
        });
        let after = self.counts()?;
        let error = match failed {
            Err(error) if before == after && self.journal.get("half")?.is_none() => error,
            Err(_) => return different("a transaction that failed left something behind"),
            Ok(()) => return different("a transaction with an invalid entry was committed"),
        };
        let cause: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(target: journey::TARGET, error = cause, "rolled back");
        self.done(
            "roll back",
            format!("failed half-way and left nothing: journal {}, facts {}", after.0, after.1),
            json!({ "journal": after.0, "facts": after.1, "error": error.to_string() }),
            started.elapsed(),
        )?;
        self.aside(&error)
    }

    fn search(&mut self) -> Result<()> {
        const QUESTION: &str = "what happens to a transaction when the process is killed";
        let started = Instant::now();
        let hits = self.journal.query(Query::text(QUESTION).top(3))?;
        let took = started.elapsed();
        ensure(!hits.is_empty(), || "a search found nothing".to_owned())?;
        self.done(
            "search",
            format!("“{QUESTION}”: {} nearest of {}", hits.len(), self.journal.count()?),
            json!({ "question": QUESTION, "hits": hits.len() }),
            took,
        )?;
        for hit in &hits {
            let text = hit.entry.summary().unwrap_or_else(|| hit.entry.content());
            self.aside(format_args!("{:.2}  {}", hit.similarity(), preview(text, 70)))?;
        }
        Ok(())
    }

    fn back_up_under_load(&mut self) -> Result<BackedUp> {
        let writer = Writer::start(&self.store)?;
        let first = writer.wait_for(3)?;
        let before = contents([&self.journal, &self.facts])?;
        // So that the backup holds at least one transaction that came later.
        writer.wait_for(writer.committed() + 2)?;
        let report = self.backups.create_blocking(CreateOptions::default())?;
        let during = writer.committed().saturating_sub(first);
        let committed = writer.stop()?;
        ensure(report.verified && report.is_complete(), || {
            format!("{} is not whole", report.name)
        })?;
        self.done(
            "backup",
            format!(
                "{}, verified, while a writer committed {}",
                units::bytes(report.archive_bytes),
                units::count(during, "transaction")
            ),
            json!({
                "name": report.name,
                "archive_bytes": report.archive_bytes,
                "content_bytes": report.content_bytes,
                "files": report.files,
                "transactions_during": during,
                "transactions": committed,
            }),
            report.took,
        )?;
        Ok(BackedUp { name: report.name, before })
    }

    fn validate(&mut self, name: &str) -> Result<()> {
        let report = self.backups.validate_blocking(name)?;
        self.done(
            "validate",
            format!(
                "every byte of {}, {} of content",
                units::count(report.members, "member"),
                units::bytes(report.content_bytes)
            ),
            json!({ "members": report.members, "content_bytes": report.content_bytes }),
            report.took,
        )
    }

    fn restore(&mut self, name: &str) -> Result<()> {
        let report = self.backups.restore(name).to(self.stage.restored()).run_blocking()?;
        self.done(
            "restore",
            format!(
                "{}, {}, to another directory",
                units::count(report.files, "file"),
                units::bytes(report.content_bytes)
            ),
            json!({
                "files": report.files,
                "content_bytes": report.content_bytes,
                "databases_checked": report.databases_checked,
            }),
            report.took,
        )
    }

    fn compare(&mut self, backup: &BackedUp) -> Result<()> {
        let started = Instant::now();
        let restored = MemoryStore::builder(self.stage.restored()).open_read_only()?;
        let check = restored.check()?;
        ensure(check.is_ok(), || check.problems.join("; "))?;
        let comparison = Comparison {
            before: &backup.before,
            restored: contents([
                &restored.open_collection("journal")?,
                &restored.open_collection("facts")?,
            ])?,
            live: contents([&self.journal, &self.facts])?,
        };
        let outcome = match comparison.outcome() {
            Ok(outcome) => outcome,
            Err(difference) => return different(difference),
        };
        self.done(
            "compare",
            format!(
                "{} of {} entries equal, bit for bit; {}, each whole",
                outcome.equal,
                backup.before.len(),
                units::count(outcome.later_transactions, "later transaction")
            ),
            json!({
                "equal": outcome.equal,
                "expected": backup.before.len(),
                "later_transactions": outcome.later_transactions,
            }),
            started.elapsed(),
        )
    }

    fn end(&self, texts: &Texts) -> Result<()> {
        let document = json!({
            "ok": true,
            "from": texts.to_string(),
            "kept": self.stage.kept().map(units::path),
            "steps": self.steps,
        });
        self.context.output.result(&document, |_| {
            let rows = self.steps.iter().map(|step| {
                let took = units::time(Duration::from_secs_f64(step.seconds));
                [step.step.to_owned(), step.result.clone(), took]
            });
            let table = table(["step", "result", "time"], &[2], rows);
            let kept = match self.stage.kept() {
                Some(dir) => format!("Everything is kept in {}.", dir.display()),
                None => "The temporary directory is gone; --keep DIR keeps it.".to_owned(),
            };
            let left_out = self.steps.iter().any(|step| step.counts.get("left_out").is_some());
            let made = if left_out { " that could be made" } else { "" };
            format!("\n{table}\n\nEvery comparison{made} held. {kept}")
        })
    }

    /// Tells a step as it is done, and keeps it for the end.
    fn done(
        &mut self,
        step: &'static str,
        result: String,
        counts: Value,
        took: Duration,
    ) -> Result<()> {
        self.context.interrupt.give_way();
        self.begin_step(step, &result)?;
        self.end_step(step, result, counts, took);
        Ok(())
    }

    /// Tells a step that is about to be done, or that is.
    fn begin_step(&self, step: &'static str, text: impl std::fmt::Display) -> Result<()> {
        let number = self.steps.len() + 1;
        self.context.output.step(format_args!("{number}  {step:<10} {text}"))
    }

    /// Keeps a step for the end.
    fn end_step(&mut self, step: &'static str, result: String, counts: Value, took: Duration) {
        let seconds = took.as_secs_f64();
        tracing::info!(target: journey::TARGET, step, result, seconds, "done");
        self.steps.push(Step { step, result, counts, seconds: took.as_secs_f64() });
    }

    fn aside(&self, text: impl std::fmt::Display) -> Result<()> {
        self.context.output.step(format_args!("   {:<10} {text}", ""))
    }

    fn counts(&self) -> Result<(u64, u64)> {
        Ok((self.journal.count()?, self.facts.count()?))
    }
}

fn ensure(holds: bool, difference: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { different(difference()) }
}

fn different<T>(difference: impl Into<String>) -> Result<T> {
    Err(ComparisonSnafu { difference }.build().into())
}
