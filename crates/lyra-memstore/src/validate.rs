use std::borrow::Cow;
use std::collections::HashSet;

use serde::Serialize;
use validator::{Validate, ValidateArgs, ValidationError};

use crate::fault::{Faults, from_validator};
use crate::vector;
use crate::{Entry, EntryKind, Limits, MetadataValue, Space};

impl Entry {
    /// Checks everything that can be checked without a store: all but the
    /// dimension of the embedding and whether the id is free.
    ///
    /// # Errors
    ///
    /// All faults at once, each with its path.
    pub fn validate(&self, limits: &Limits) -> Result<(), Faults> {
        let mut faults = Faults::default();
        entry(self, limits, None, "", &mut faults);
        faults.into_result()
    }
}

/// Adds the faults of a batch that goes into a collection of that space; no
/// id may come twice.
pub(crate) fn batch(entries: &[Entry], limits: &Limits, space: &Space, faults: &mut Faults) {
    let mut seen = HashSet::with_capacity(entries.len());
    for (i, item) in entries.iter().enumerate() {
        entry(item, limits, Some(space), &format!("entries[{i}]."), faults);
        let id = item.stored_id();
        if seen.contains(&id) {
            let message = format!("{} comes twice in this batch", shown(&id));
            faults.push(format!("entries[{i}].id"), "duplicate", message);
        }
        seen.insert(id);
    }
}

/// Adds the faults of one entry, in reading order.
pub(crate) fn entry(
    entry: &Entry,
    limits: &Limits,
    space: Option<&Space>,
    prefix: &str,
    faults: &mut Faults,
) {
    let view = EntryView {
        id: entry.id.as_deref(),
        content: &entry.content,
        summary: Summary { kind: entry.kind, text: entry.summary.as_deref() },
        tag_count: entry.tags.len(),
        significance: entry.significance,
    };
    if let Err(errors) = view.validate_with_args(limits) {
        from_validator(&errors, prefix, faults);
    }
    // One by one, because validator does not hand its context down to nested
    // structs.
    for (i, value) in entry.tags.iter().enumerate() {
        if let Err(errors) = (TagView { value }).validate_with_args(limits) {
            from_validator(&errors, &format!("{prefix}tags[{i}]."), faults);
        }
    }
    metadata(entry, limits, prefix, faults);
    let path = format!("{prefix}embedding");
    match &entry.embedding {
        Some(embedding) => vector::check(embedding, space, &path, faults),
        None if space.is_some_and(|space| space.embedder.is_none()) => {
            let message = "is missing, and the collection has no embedder to make it";
            faults.push(path, "no_embedding", message.to_owned());
        }
        None => {}
    }
}

/// An entry as `validator` sees it: the limits come as its context.
#[derive(Validate)]
#[validate(context = Limits)]
struct EntryView<'a> {
    #[validate(
        custom(function = "printable", use_context),
        custom(function = "check_id", use_context)
    )]
    id: Option<&'a str>,
    #[validate(
        custom(function = "no_nul", use_context),
        custom(function = "check_content", use_context)
    )]
    content: &'a str,
    #[validate(
        custom(function = "summary_no_nul", use_context),
        custom(function = "check_summary", use_context)
    )]
    summary: Summary<'a>,
    #[validate(custom(function = "check_tag_count", use_context))]
    tag_count: usize,
    #[validate(custom(function = "check_significance", use_context))]
    significance: Option<i64>,
}

/// Whether a summary is required depends on the kind.
#[derive(Serialize)]
struct Summary<'a> {
    kind: EntryKind,
    text: Option<&'a str>,
}

#[derive(Validate)]
#[validate(context = Limits)]
struct TagView<'a> {
    #[validate(
        custom(function = "tag_characters", use_context),
        custom(function = "check_tag", use_context)
    )]
    value: &'a str,
}

fn fault(code: &'static str, message: String) -> Result<(), ValidationError> {
    Err(ValidationError::new(code).with_message(Cow::Owned(message)))
}

fn check_id(id: &str, limits: &Limits) -> Result<(), ValidationError> {
    if id.is_empty() {
        return fault("required", "an id may be left out, but not be empty".to_owned());
    }
    at_most(id, limits.max_id_chars)
}

fn printable(id: &str, _: &Limits) -> Result<(), ValidationError> {
    if id.chars().any(char::is_control) {
        return fault("characters", "an id holds no control characters".to_owned());
    }
    Ok(())
}

fn no_nul(text: &str, _: &Limits) -> Result<(), ValidationError> {
    if text.contains('\0') {
        return fault("characters", "holds a NUL character".to_owned());
    }
    Ok(())
}

fn summary_no_nul(summary: &Summary<'_>, limits: &Limits) -> Result<(), ValidationError> {
    summary.text.map_or(Ok(()), |text| no_nul(text, limits))
}

fn check_content(text: &str, limits: &Limits) -> Result<(), ValidationError> {
    let (min, max) = (limits.min_content_chars, limits.max_content_chars);
    match text.chars().count() {
        0 if min > 0 => {
            fault("required", format!("is empty; {min} to {max} characters are needed"))
        }
        count if count < min => {
            fault("too_short", format!("has {count} characters, at least {min} are needed"))
        }
        count if count > max => {
            fault("too_long", format!("has {count} characters, at most {max} are allowed"))
        }
        _ => Ok(()),
    }
}

fn check_summary(summary: &Summary<'_>, limits: &Limits) -> Result<(), ValidationError> {
    match summary.text {
        Some(text) => check_content(text, limits),
        None if summary.kind == EntryKind::Journal => {
            fault("required", "a journal entry needs a summary".to_owned())
        }
        None => Ok(()),
    }
}

fn check_tag_count(count: usize, limits: &Limits) -> Result<(), ValidationError> {
    if count <= limits.max_tags {
        return Ok(());
    }
    fault("too_many", format!("has {count} tags, at most {} are allowed", limits.max_tags))
}

fn check_tag(tag: &str, limits: &Limits) -> Result<(), ValidationError> {
    if tag.is_empty() {
        return fault("required", "a tag is not empty".to_owned());
    }
    at_most(tag, limits.max_tag_chars)
}

fn tag_characters(tag: &str, _: &Limits) -> Result<(), ValidationError> {
    if !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        let message = format!("{} may hold only a-z, A-Z, 0-9, _ and -", shown(tag));
        return fault("characters", message);
    }
    Ok(())
}

fn check_significance(value: i64, limits: &Limits) -> Result<(), ValidationError> {
    let (min, max) = (limits.min_significance, limits.max_significance);
    if (min..=max).contains(&value) {
        return Ok(());
    }
    fault("range", format!("is {value}, must be within {min} to {max}"))
}

fn at_most(text: &str, max: usize) -> Result<(), ValidationError> {
    match text.chars().count() {
        count if count > max => {
            fault("too_long", format!("has {count} characters, at most {max} are allowed"))
        }
        _ => Ok(()),
    }
}

/// By hand, because validator has no paths for the keys of a map.
fn metadata(entry: &Entry, limits: &Limits, prefix: &str, faults: &mut Faults) {
    let (count, max) = (entry.metadata.len(), limits.max_metadata_keys);
    if count > max {
        let message = format!("has {count} keys, at most {max} are allowed");
        faults.push(format!("{prefix}metadata"), "too_many", message);
    }
    for (key, value) in &entry.metadata {
        let path = format!("{prefix}metadata[{}]", shown(key));
        if let Some((code, message)) = key_fault(key, limits) {
            faults.push(path.clone(), code, message);
        }
        match value {
            MetadataValue::Float(number) if !number.is_finite() => {
                faults.push(path, "not_finite", format!("is {number}, must be a finite number"));
            }
            MetadataValue::Text(text) if text.contains('\0') => {
                faults.push(path, "characters", "holds a NUL character".to_owned());
            }
            MetadataValue::Text(text) => {
                let (count, max) = (text.chars().count(), limits.max_metadata_text_chars);
                if count > max {
                    let message = format!("has {count} characters, at most {max} are allowed");
                    faults.push(path, "too_long", message);
                }
            }
            _ => {}
        }
    }
}

/// Keys that the store or a ChromaDB server uses for its own ends: a
/// `chroma:document` that is not text stops such a server for good.
fn key_fault(key: &str, limits: &Limits) -> Option<(&'static str, String)> {
    const RESERVED: [&str; 4] = ["lyra:", "chroma:", "#", "$"];
    let max = limits.max_metadata_key_chars;
    if key.is_empty() {
        return Some(("required", "a key is not empty".to_owned()));
    }
    if let Some(prefix) = RESERVED.iter().find(|prefix| key.starts_with(**prefix)) {
        return Some(("reserved", format!("keys that begin with `{prefix}` are reserved")));
    }
    if key.chars().any(char::is_control) {
        return Some(("characters", "a key holds no control characters".to_owned()));
    }
    let count = key.chars().count();
    (count > max)
        .then(|| ("too_long", format!("the key has {count} characters, at most {max} are allowed")))
}

/// A value in quotes, cut after 64 characters.
pub(crate) fn shown(value: &str) -> String {
    const MAX: usize = 64;
    match value.char_indices().nth(MAX) {
        None => format!("{value:?}"),
        Some((end, _)) => format!("{:?}…", &value[..end]),
    }
}
