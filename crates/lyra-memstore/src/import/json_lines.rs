//! Entries as lines of JSON, or as the elements of one JSON array.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use snafu::ResultExt;

use super::Found;
use crate::error::{IoSnafu, MemoryError};
use crate::fault::Faults;
use crate::{EntryKind, json};

/// A longer line is a fault: it would be read into memory whole, and no entry
/// within the limits comes near it.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

pub(super) fn read_lines(
    path: &Path,
    kind: EntryKind,
    visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
) -> Result<(), MemoryError> {
    let failed = IoSnafu { path, operation: "read" };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).context(failed)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let mut limited = (&mut reader).take(MAX_LINE_BYTES);
        if limited.read_until(b'\n', &mut bytes).context(failed)? == 0 {
            break;
        }
        if limited.limit() == 0 && bytes.last() != Some(&b'\n') {
            skip_line(&mut reader).context(failed)?;
            visit(fault(line, "too_long", "the line is longer than 16 MiB"))?;
            continue;
        }
        match std::str::from_utf8(without_mark(&bytes, line)) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => visit(Found::of(line, json::read(text.trim(), kind)))?,
            Err(_) => visit(fault(line, "characters", "the line is not UTF-8"))?,
        }
    }
    Ok(())
}

pub(super) fn read_array(
    path: &Path,
    kind: EntryKind,
    visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
) -> Result<(), MemoryError> {
    let bytes = std::fs::read(path).context(IoSnafu { path, operation: "read" })?;
    let elements: Vec<&serde_json::value::RawValue> =
        match serde_json::from_slice(without_mark(&bytes, 1)) {
            Ok(elements) => elements,
            Err(error) => {
                let message = format!("the file is no JSON array: {error}");
                return visit(fault(error.line() as u64, "type", &message));
            }
        };
    for (position, element) in (1..).zip(elements) {
        visit(Found::of(position, json::read(element.get(), kind)))?;
    }
    Ok(())
}

/// Some programs begin a file with a byte order mark.
fn without_mark(bytes: &[u8], line: u64) -> &[u8] {
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if line == 1 => rest,
        _ => bytes,
    }
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|&b| b == b'\n') {
            Some(end) => {
                reader.consume(end + 1);
                return Ok(());
            }
            None => {
                let length = buffer.len();
                reader.consume(length);
            }
        }
    }
}

fn fault(line: u64, code: &'static str, message: &str) -> Found {
    let mut faults = Faults::default();
    faults.push("entry", code, message.to_owned());
    Found::of(line, (None, faults))
}
