use std::io::Read as _;

use lyra::errors::Result;
use lyra::memstore::{Entry, EntryPatch, MetadataValue};
use serde_json::json;
use snafu::ResultExt as _;

use super::{Context, Place, read_vector};
use crate::args::memory::{AddArgs, DeleteArgs, FieldArgs, Kind, UpdateArgs};
use crate::error::{InvalidEntrySnafu, UnusablePathSnafu, UsageSnafu};
use crate::exit::Exit;
use crate::output::units;

pub(super) fn add(args: &AddArgs, place: &Place, context: &Context) -> Result<Exit> {
    let entry = entry(args)?;
    let ids = place.to_fill(&args.space)?.add(entry)?;
    let document = json!({ "collection": place.collection, "ids": ids });
    context.output.result(&document, |_| ids.join("\n"))?;
    Ok(Exit::Done)
}

pub(super) fn update(args: &UpdateArgs, place: &Place, context: &Context) -> Result<Exit> {
    let patch = patch(args)?;
    place.to_change()?.update(patch)?;
    let document = json!({ "collection": place.collection, "updated": [args.id] });
    context.output.result(&document, |_| format!("updated {}", args.id))?;
    Ok(Exit::Done)
}

pub(super) fn delete(args: &DeleteArgs, place: &Place, context: &Context) -> Result<Exit> {
    place.to_change()?.delete(&args.ids)?;
    let document = json!({ "collection": place.collection, "deleted": args.ids });
    context
        .output
        .result(&document, |_| format!("deleted {}", units::entries(args.ids.len() as u64)))?;
    Ok(Exit::Done)
}

pub(super) fn reindex(place: &Place, context: &Context) -> Result<Exit> {
    let store = place.keeper()?;
    store.reindex()?;
    let stats = store.stats()?;
    let document = json!({ "entries": stats.entries, "format": stats.format });
    context.output.result(&document, |_| {
        format!("{} have their codes and indexes anew", units::entries(stats.entries))
    })?;
    Ok(Exit::Done)
}

pub(super) fn compact(place: &Place, context: &Context) -> Result<Exit> {
    let report = place.keeper()?.compact()?;
    context.output.result(&report, |report| {
        let [before, after] = [report.bytes_before, report.bytes_after].map(units::bytes);
        format!("{after}, it was {before}")
    })?;
    Ok(Exit::Done)
}

fn entry(args: &AddArgs) -> Result<Entry> {
    let fields = &args.fields;
    let mut entry = if args.stdin.is_some() {
        if fields.content.is_some() {
            let message = "the content comes from stdin or from --content, not from both";
            return Err(UsageSnafu { message }.build().into());
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context(UnusablePathSnafu { path: "stdin" })?;
        Entry::from_json(&text).map_err(|faults| InvalidEntrySnafu { faults }.build())?
    } else {
        typed_entry(args)?
    };
    if let Some(id) = &args.id {
        entry = entry.with_id(id);
    }
    if let (Some(_), Some(summary)) = (&args.stdin, &fields.summary) {
        entry = entry.with_summary(summary);
    }
    if !fields.tags.is_empty() {
        entry = entry.with_tags(&fields.tags);
    }
    if let Some(significance) = fields.significance {
        entry = entry.with_significance(significance);
    }
    for pair in &fields.metadata {
        entry = entry.with_metadata(&pair.key, MetadataValue::from_typed(&pair.value));
    }
    if let Some(path) = &fields.embedding_file {
        entry = entry.with_embedding(read_vector(path)?);
    }
    Ok(entry)
}

/// An empty summary of a journal entry is left to the store to refuse, which
/// names it among all other faults.
fn typed_entry(args: &AddArgs) -> Result<Entry> {
    let FieldArgs { content, summary, .. } = &args.fields;
    let Some(content) = content else {
        let message = "give the entry: --content TEXT, or - for JSON on stdin";
        return Err(UsageSnafu { message }.build().into());
    };
    let kind = args.kind.unwrap_or(if summary.is_some() { Kind::Journal } else { Kind::Fact });
    Ok(match (kind, summary) {
        (Kind::Journal, summary) => Entry::journal(content, summary.as_deref().unwrap_or_default()),
        (Kind::Fact, None) => Entry::fact(content),
        (Kind::Fact, Some(summary)) => Entry::fact(content).with_summary(summary),
    })
}

fn patch(args: &UpdateArgs) -> Result<EntryPatch> {
    let fields = &args.fields;
    let mut patch = EntryPatch::new(&args.id);
    if let Some(content) = &fields.content {
        patch = patch.with_content(content);
    }
    if let Some(summary) = &fields.summary {
        patch = patch.with_summary(summary);
    }
    if !fields.tags.is_empty() {
        patch = patch.with_tags(&fields.tags);
    }
    if let Some(significance) = fields.significance {
        patch = patch.with_significance(significance);
    }
    for pair in &fields.metadata {
        patch = patch.with_metadata(&pair.key, MetadataValue::from_typed(&pair.value));
    }
    for key in &args.without_metadata {
        patch = patch.without_metadata(key);
    }
    if let Some(path) = &fields.embedding_file {
        patch = patch.with_embedding(read_vector(path)?);
    }
    if patch == EntryPatch::new(&args.id) {
        let message = "say what to change: --content, --summary, --tag, --significance, --meta, …";
        return Err(UsageSnafu { message }.build().into());
    }
    Ok(patch)
}
