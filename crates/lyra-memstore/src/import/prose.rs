//! Entries from text that people wrote: a section of Markdown, a few
//! paragraphs of plain text.

use std::path::Path;

use snafu::ResultExt;

use super::Found;
use crate::error::{IoSnafu, MemoryError};
use crate::fault::Faults;
use crate::{Entry, EntryKind};

/// Longer texts are split between paragraphs: an entry should hold one
/// thought, and a vector of very much text is near everything.
const MAX_CHARS: usize = 4_000;

/// Each section of a Markdown file is an entry: its heading and its text are
/// the content, the headings above it are the summary.
pub(super) fn read_markdown(
    path: &Path,
    name: &str,
    kind: EntryKind,
    visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
) -> Result<(), MemoryError> {
    let Some(text) = read(path, visit)? else { return Ok(()) };
    for section in sections(&text) {
        let title = if section.title.is_empty() { name } else { &section.title };
        emit(&section.text, section.line, title, name, kind, visit)?;
    }
    Ok(())
}

/// Each few paragraphs of a text file are an entry, with their first line as
/// the summary.
pub(super) fn read_text(
    path: &Path,
    name: &str,
    kind: EntryKind,
    visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
) -> Result<(), MemoryError> {
    let Some(text) = read(path, visit)? else { return Ok(()) };
    emit(&text, 1, "", name, kind, visit)
}

fn read(
    path: &Path,
    visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
) -> Result<Option<String>, MemoryError> {
    let bytes = std::fs::read(path).context(IoSnafu { path, operation: "read" })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.trim_start_matches('\u{feff}').to_owned())),
        Err(_) => {
            let mut faults = Faults::default();
            faults.push("content", "characters", "the file is not UTF-8".to_owned());
            visit(Found::of(1, (None, faults)))?;
            Ok(None)
        }
    }
}

struct Section {
    line: u64,
    title: String,
    text: String,
}

/// Splits at ATX headings outside of fenced code. A heading with nothing below
/// it is a section when it is all that is said, and none when it only leads
/// to smaller headings.
fn sections(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut titles: Vec<(usize, &str)> = Vec::new();
    let mut current = Section { line: 1, title: String::new(), text: String::new() };
    let mut fence: Option<&str> = None;
    let mut has_text = false;
    for (number, line) in (1..).zip(text.lines()) {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(opened)) => fence = Some(opened),
            (Some(opened), Some(closed)) if opened == closed => fence = None,
            _ => {}
        }
        if let Some((level, title)) = heading(line).filter(|_| fence.is_none()) {
            let above = titles.last().map_or(0, |&(above, _)| above);
            if has_text || (above > 0 && level <= above) {
                sections.push(current);
            }
            titles.retain(|&(above, _)| above < level);
            titles.push((level, title));
            let title = titles.iter().map(|&(_, title)| title).collect::<Vec<_>>().join(" › ");
            current = Section { line: number, title, text: String::new() };
            has_text = false;
        } else {
            has_text |= !line.trim().is_empty();
        }
        current.text.push_str(line);
        current.text.push('\n');
    }
    if has_text || !titles.is_empty() {
        sections.push(current);
    }
    sections
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|&b| b == b'#').count();
    let title = line[level..].strip_prefix(' ')?.trim().trim_end_matches('#').trim();
    ((1..=6).contains(&level) && !title.is_empty()).then_some((level, title))
}

fn emit(
    text: &str,
    line: u64,
    title: &str,
    name: &str,
    kind: EntryKind,
    visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
) -> Result<(), MemoryError> {
    let parts = parts_of(text);
    let count = parts.len();
    for (i, part) in parts.into_iter().enumerate() {
        let mut summary = if title.is_empty() { first_line(&part) } else { title.to_owned() };
        if count > 1 {
            summary.push_str(&format!(" ({}/{count})", i + 1));
        }
        let mut entry = Entry::of(kind, part).with_metadata("source", name);
        if kind == EntryKind::Journal {
            entry = entry.with_summary(summary);
        }
        visit(Found::of(line, (Some(entry), Faults::default())))?;
    }
    Ok(())
}

/// The text in parts of at most [`MAX_CHARS`], split between paragraphs where
/// that is possible and between characters where it is not.
fn parts_of(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut count = 0;
    for paragraph in text.replace("\r\n", "\n").split("\n\n") {
        for piece in pieces(paragraph.trim_matches('\n').trim_end()) {
            let length = piece.chars().count();
            if count > 0 && count + length + 2 > MAX_CHARS {
                parts.push(std::mem::take(&mut current));
                count = 0;
            }
            if count > 0 {
                current.push_str("\n\n");
                count += 2;
            }
            current.push_str(piece);
            count += length;
        }
    }
    if count > 0 {
        parts.push(current);
    }
    parts
}

fn pieces(paragraph: &str) -> impl Iterator<Item = &str> {
    let mut rest = paragraph;
    std::iter::from_fn(move || {
        if rest.trim().is_empty() {
            return None;
        }
        let end = rest.char_indices().nth(MAX_CHARS).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

fn first_line(text: &str) -> String {
    const MAX: usize = 120;
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    match line.char_indices().nth(MAX) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_carry_the_headings_above_them() {
        let text = "intro\n# A\n\n## B\ntext of b\n```\n# no heading\n```\n# C #\ntext of c\n";
        let found: Vec<_> = sections(text).into_iter().map(|s| (s.line, s.title, s.text)).collect();
        let wanted = [
            (1, "", "intro\n"),
            (3 + 1, "A › B", "## B\ntext of b\n```\n# no heading\n```\n"),
            (9, "C", "# C #\ntext of c\n"),
        ];
        assert_eq!(found, wanted.map(|(l, t, x)| (l, t.to_owned(), x.to_owned())));
    }

    #[test]
    fn a_heading_that_is_all_that_is_said_is_kept() {
        let titles = |text: &str| sections(text).into_iter().map(|s| s.title).collect::<Vec<_>>();
        assert_eq!(titles("# Buy milk\n"), ["Buy milk"]);
        assert_eq!(titles("# List\n## a\n## b\n# Next\n"), ["List › a", "List › b", "Next"]);
    }

    #[test]
    fn what_looks_like_a_heading_but_is_none_stays_text() {
        for line in ["#tag", "####### seven", "#", "# ", " # indented"] {
            assert_eq!(heading(line), None, "{line}");
        }
    }

    #[test]
    fn long_texts_are_split_between_paragraphs_and_nothing_is_lost() {
        let paragraphs: Vec<String> =
            (0..50).map(|i| format!("{i} {}", "word ".repeat(60))).collect();
        let text = paragraphs.join("\n\n");
        let parts = parts_of(&text);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.chars().count() <= MAX_CHARS));
        let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&parts.join("\n\n")), words(&text));
    }

    #[test]
    fn a_paragraph_without_an_end_is_split_too() {
        let parts = parts_of(&"ü".repeat(MAX_CHARS * 2 + 1));
        let lengths: Vec<_> = parts.iter().map(|part| part.chars().count()).collect();
        assert_eq!(lengths, [MAX_CHARS, MAX_CHARS, 1]);
    }

    #[test]
    fn blank_text_gives_nothing() {
        assert!(parts_of(" \n\n \n").is_empty());
        assert!(sections("\n\n").is_empty());
    }
}
