use lyra::errors::{Classify as _, Result};
use lyra::log::read::{Broken, Fault, Log, Report, RunReport};
use serde_json::{Value, json};

use super::{Context, open};
use crate::args::log::PlaceArgs;
use crate::exit::Exit;

pub(super) fn run(place: &PlaceArgs, context: &Context) -> Result<Exit> {
    let log = open(place, false, context)?;
    let report = log.verify()?;
    // A log without errors may have no file of them.
    let errors = match Log::open_errors(log.dir(), log.name()) {
        Err(error) if error.code().id() == "log.not_found" => None,
        errors => Some(errors?.verify()?),
    };
    let is_whole = report.is_whole() && errors.as_ref().is_none_or(Report::is_whole);
    let mut document = document(&report);
    document["whole"] = is_whole.into();
    document["errors"] = errors.as_ref().map(errors_document).into();
    context.output.result(&document, |_| {
        let errors = errors.as_ref().map(|errors| format!("\nerrors alone: {}", text(errors)));
        text(&report) + &errors.unwrap_or_default()
    })?;
    Ok(if is_whole { Exit::Done } else { Exit::Invalid })
}

/// Their numbers have gaps by nature, so that there are no runs to tell of.
fn errors_document(report: &Report) -> Value {
    let mut document = document(report);
    if let Some(keys) = document.as_object_mut() {
        keys.retain(|key, _| !matches!(key.as_str(), "runs" | "unnumbered"));
    }
    document
}

fn document(report: &Report) -> Value {
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|file| json!({ "path": file.path, "records": file.records, "damage": file.damage }))
        .collect();
    json!({
        "whole": report.is_whole(),
        "records": report.records(),
        "files": files,
        "runs": report.runs.iter().map(run_document).collect::<Vec<_>>(),
        "broken": report.broken.iter().map(broken_document).collect::<Vec<_>>(),
        "broken_count": report.broken_count,
        "torn_ends": report.torn_ends,
        "unnumbered": report.unnumbered,
    })
}

fn run_document(run: &RunReport) -> Value {
    let gaps: Vec<Value> =
        run.gaps.iter().map(|gap| json!({ "from": gap.start(), "to": gap.end() })).collect();
    json!({
        "run": run.run, "records": run.records, "first": run.first, "last": run.last,
        "gaps": gaps, "missing": run.missing, "told_as_lost": run.told,
        "untold": run.untold(), "out_of_order": run.out_of_order,
        "duplicates": run.duplicates, "set_back": run.set_back,
    })
}

fn broken_document(broken: &Broken) -> Value {
    json!({
        "file": broken.file, "offset": broken.offset, "len": broken.len,
        "fault": fault(&broken.fault),
    })
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for run in &report.runs {
        lines.push(format!(
            "run {}: {} records, {} to {}; {} missing, of which {} are told as lost; {} twice",
            run.run,
            run.records,
            run.first,
            run.last,
            run.missing,
            run.missing_told,
            run.duplicates
        ));
        let gaps =
            run.gaps.iter().map(|gap| format!("  missing: {} to {}", gap.start(), gap.end()));
        lines.extend(gaps);
        if run.out_of_order > 0 {
            lines.push(format!("  {} records stand behind a later one", run.out_of_order));
        }
        if run.set_back > 0 {
            lines.push(format!("  the clock was set back {} times", run.set_back));
        }
    }
    if report.unnumbered > 0 {
        lines.push(format!("{} records have no run or no number", report.unnumbered));
    }
    for broken in &report.broken {
        let Broken { file, offset, len, .. } = broken;
        let what = fault(&broken.fault);
        lines.push(format!("{} at byte {offset}: {len} bytes {what}", file.display()));
    }
    for file in &report.files {
        if let Some(damage) = &file.damage {
            lines.push(format!("{}: {damage}", file.path.display()));
        }
    }
    let verdict = if report.is_whole() { "whole" } else { "NOT whole" };
    lines.push(format!("{verdict}: {} records in {} files", report.records(), report.files.len()));
    lines.join("\n")
}

fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Torn => "torn".to_owned(),
        Fault::Invalid => "that are no record".to_owned(),
        Fault::TooLong => "of a line that is too long".to_owned(),
        Fault::Damaged(why) => format!("that cannot be read: {why}"),
        _ => "that are no record".to_owned(),
    }
}
