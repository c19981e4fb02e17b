use std::io::{BufWriter, Write};
use std::path::Path;

use lyra::errors::Result;
use lyra::memstore::{Collection, Entry, Filter, Hit, List, Query};
use serde_json::{Value, json};
use snafu::{ResultExt as _, ensure};

use super::{Context, Place, read_vector, shown};
use crate::args::Format;
use crate::args::memory::{ExportArgs, FilterArgs, GetArgs, ListArgs, SearchArgs};
use crate::error::{FileExistsSnafu, NoSuchEntrySnafu, OutputSnafu, UnusablePathSnafu};
use crate::exit::Exit;
use crate::output::table::{pairs, preview, table};
use crate::output::units;

pub(super) fn get(args: &GetArgs, place: &Place, context: &Context) -> Result<Exit> {
    let found = place.to_read()?.fetch(&args.ids)?;
    let missing: Vec<_> = args
        .ids
        .iter()
        .zip(&found)
        .filter(|(_, entry)| entry.is_none())
        .map(|(id, _)| id.clone())
        .collect();
    if !missing.is_empty() {
        let collection = &place.collection;
        return Err(NoSuchEntrySnafu { collection, ids: missing }.build().into());
    }
    let entries: Vec<_> = found.into_iter().flatten().collect();
    let documents: Vec<_> =
        entries.iter().map(|entry| shown(entry, args.shown.embeddings)).collect();
    let document = json!({ "collection": place.collection, "entries": documents });
    context.output.result(&document, |_| {
        entries
            .iter()
            .map(|entry| full(entry, args.shown.embeddings))
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    Ok(Exit::Done)
}

pub(super) fn search(args: SearchArgs, place: &Place, context: &Context) -> Result<Exit> {
    let mut query = match (&args.text, &args.embedding_file) {
        (_, Some(path)) => Query::embedding(read_vector(path)?),
        (text, None) => Query::text(text.clone().unwrap_or_default()),
    }
    .top(args.top);
    query = match args.hybrid {
        None => query,
        Some(None) => query.hybrid(),
        Some(Some(words)) => query.hybrid_with(words),
    };
    if let Some(filter) = filter(args.filter)? {
        query = query.filter(filter);
    }
    if args.shown.embeddings {
        query = query.with_embeddings();
    }
    let hits = place.to_read()?.query(query)?;
    let documents: Vec<_> = hits
        .iter()
        .map(|hit| {
            let mut document = json!({
                "similarity": hit.similarity(),
                "distance": hit.distance,
                "entry": shown(&hit.entry, args.shown.embeddings),
            });
            if let Some(score) = hit.score {
                document["score"] = score.into();
            }
            document
        })
        .collect();
    let document = json!({ "collection": place.collection, "hits": documents });
    context.output.result(&document, |_| hit_table(&hits))?;
    Ok(Exit::Done)
}

pub(super) fn list(args: ListArgs, place: &Place, context: &Context) -> Result<Exit> {
    let collection = place.to_read()?;
    let mut list = List::new().limit(args.limit).offset(args.offset);
    let filter = filter(args.filter)?;
    let total = match &filter {
        Some(filter) => collection.count_where(filter)?,
        None => collection.count()?,
    };
    if let Some(filter) = filter {
        list = list.filter(filter);
    }
    if args.shown.embeddings {
        list = list.with_embeddings();
    }
    let entries = collection.list(list)?;
    let documents: Vec<_> =
        entries.iter().map(|entry| shown(entry, args.shown.embeddings)).collect();
    let document = json!({
        "collection": place.collection,
        "total": total,
        "offset": args.offset,
        "entries": documents,
    });
    context.output.result(&document, |_| {
        let rows =
            entries.iter().map(|entry| [id(entry), entry.kind().to_string(), gist(entry, 72)]);
        format!(
            "{}\n{} of {}",
            table(["id", "kind", "text"], &[], rows),
            entries.len(),
            units::entries(total)
        )
    })?;
    Ok(Exit::Done)
}

pub(super) fn count(args: FilterArgs, place: &Place, context: &Context) -> Result<Exit> {
    let collection = place.to_read()?;
    let count = match filter(args)? {
        Some(filter) => collection.count_where(&filter)?,
        None => collection.count()?,
    };
    let document = json!({ "collection": place.collection, "count": count });
    context.output.result(&document, |_| count.to_string())?;
    Ok(Exit::Done)
}

/// The export itself is what stdout holds: lines of JSON for people and
/// pipes, one array with `--format json`. `import` reads both.
pub(super) fn export(args: &ExportArgs, place: &Place, context: &Context) -> Result<Exit> {
    let collection = place.to_read()?;
    let output = context.output;
    if let Some(path) = &args.output {
        let count = export_file(&collection, path, context)?;
        let document =
            json!({ "collection": place.collection, "file": units::path(path), "exported": count });
        output.result(&document, |_| {
            format!("exported {} to {}", units::entries(count), path.display())
        })?;
        return Ok(Exit::Done);
    }
    let count = match output.format() {
        Format::Human => output.payload(|stdout| Ok(collection.export(stdout)?))?,
        Format::Json => output.payload(|stdout| export_array(&collection, stdout))?,
    };
    if let Some(count) = count {
        output.note(format_args!("exported {}", units::entries(count)));
    }
    Ok(Exit::Done)
}

/// The file is there whole or not at all, and never in the place of another.
fn export_file(collection: &Collection, path: &Path, context: &Context) -> Result<u64> {
    ensure!(path.symlink_metadata().is_err(), FileExistsSnafu { path });
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut partial = tempfile::Builder::new()
        .prefix(".lyra-export-")
        .tempfile_in(dir)
        .context(UnusablePathSnafu { path: dir })?;
    context.interrupt.removes(partial.path().to_path_buf());
    let mut file = BufWriter::new(partial.as_file_mut());
    let count = collection.export(&mut file)?;
    let failed = UnusablePathSnafu { path };
    file.flush().context(failed)?;
    drop(file);
    partial.as_file().sync_all().context(failed)?;
    partial.persist_noclobber(path).map_err(|error| error.error).context(failed)?;
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).context(failed)?;
    Ok(count)
}

fn export_array(collection: &Collection, mut stdout: &mut dyn Write) -> Result<u64> {
    let mut count = 0;
    collection.for_each(|entry| -> Result<()> {
        stdout.write_all(if count == 0 { b"[" } else { b",\n" }).context(OutputSnafu)?;
        serde_json::to_writer(&mut stdout, &entry)
            .map_err(std::io::Error::from)
            .context(OutputSnafu)?;
        count += 1;
        Ok(())
    })?;
    stdout.write_all(if count == 0 { b"[]\n" } else { b"]\n" }).context(OutputSnafu)?;
    Ok(count)
}

pub(super) fn stats(place: &Place, context: &Context) -> Result<Exit> {
    let stats = place.reader()?.stats()?;
    context.output.result(&stats, |stats| {
        let rows = stats.collections.iter().map(|collection| {
            [collection.name.clone(), collection.entries.to_string(), collection.space.to_string()]
        });
        format!(
            "{}\n\n{} in {}, {} waiting to be moved into it, format {}",
            table(["collection", "entries", "vectors"], &[1], rows),
            units::entries(stats.entries),
            units::bytes(stats.database_bytes),
            units::bytes(stats.wal_bytes),
            stats.format
        )
    })?;
    Ok(Exit::Done)
}

pub(super) fn check(place: &Place, context: &Context) -> Result<Exit> {
    let report = place.reader()?.check()?;
    let ok = report.is_ok();
    context.output.result(&report, |report| {
        let mut text = String::new();
        for problem in &report.problems {
            text += &format!("problem: {problem}\n");
        }
        let verdict = if ok { "everything is as it should be" } else { "the store is damaged" };
        text + &format!("{} checked: {verdict}", units::entries(report.entries))
    })?;
    Ok(if ok { Exit::Done } else { Exit::Invalid })
}

fn filter(args: FilterArgs) -> Result<Option<Filter>> {
    let mut filters = Vec::new();
    for condition in &args.conditions {
        filters.push(condition.parse::<Filter>()?);
    }
    filters.extend(args.tags.into_iter().map(Filter::tag));
    filters.extend(args.kind.map(|kind| Filter::kind(kind.into())));
    filters.extend(args.contains.into_iter().map(Filter::contains));
    Ok((!filters.is_empty()).then(|| Filter::all(filters)))
}

fn hit_table(hits: &[Hit]) -> String {
    if hits.is_empty() {
        return "no entry matches".to_owned();
    }
    let rows = hits
        .iter()
        .map(|hit| [format!("{:.3}", hit.similarity()), id(&hit.entry), gist(&hit.entry, 72)]);
    table(["similarity", "id", "text"], &[0], rows)
}

fn full(entry: &Entry, embeddings: bool) -> String {
    let mut rows = vec![("id", id(entry)), ("kind", entry.kind().to_string())];
    rows.extend(entry.significance().map(|n| ("significance", n.to_string())));
    if !entry.tags().is_empty() {
        rows.push(("tags", entry.tags().join(", ")));
    }
    rows.extend(entry.metadata().iter().map(|(key, value)| (key.as_str(), value.to_string())));
    rows.extend(entry.summary().map(|summary| ("summary", summary.to_owned())));
    if let (true, Some(vector)) = (embeddings, entry.embedding()) {
        rows.push(("embedding", Value::from(vector).to_string()));
    }
    format!("{}\n{}\n", pairs(rows), entry.content())
}

/// The summary, where there is one, else the beginning of the content.
fn gist(entry: &Entry, most: usize) -> String {
    preview(entry.summary().unwrap_or_else(|| entry.content()), most)
}

fn id(entry: &Entry) -> String {
    entry.id().unwrap_or_default().to_owned()
}
