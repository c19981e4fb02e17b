//! Which files an import reads, and how each is read.

use std::fs;
use std::path::{Path, PathBuf};

use snafu::{OptionExt, ResultExt};

use super::{Found, json_lines, prose, relative_name};
use crate::EntryKind;
use crate::error::{IoSnafu, MemoryError, UnsupportedFileSnafu};

/// The files to read, in a fixed order.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) files: Vec<Source>,
    pub(super) ignored: u64,
    /// Folders that could not be read, below those that were named.
    pub(super) unreadable: Vec<(PathBuf, std::io::Error)>,
}

pub(super) struct Source {
    pub(super) path: PathBuf,
    sort: FileSort,
    /// The name that entries from prose carry as their source.
    name: String,
}

/// What an import can read, told by the end of a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSort {
    /// `.jsonl` and `.ndjson`: an entry a line.
    JsonLines,
    /// `.json`: an array of entries.
    JsonArray,
    /// `.md` and `.markdown`: an entry for each section.
    Markdown,
    /// `.txt`: an entry for each few paragraphs.
    Text,
}

impl FileSort {
    /// Every sort.
    pub const ALL: &'static [Self] =
        &[Self::JsonLines, Self::JsonArray, Self::Markdown, Self::Text];

    /// The sort of the file with that name, if it is of any.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_ascii_lowercase().to_str()? {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "json" => Some(Self::JsonArray),
            "md" | "markdown" => Some(Self::Markdown),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

impl Source {
    /// Calls `visit` with each entry of the file, or with what is wrong.
    pub(super) fn read(
        &self,
        kind: EntryKind,
        visit: &mut dyn FnMut(Found) -> Result<(), MemoryError>,
    ) -> Result<(), MemoryError> {
        match self.sort {
            FileSort::JsonLines => json_lines::read_lines(&self.path, kind, visit),
            FileSort::JsonArray => json_lines::read_array(&self.path, kind, visit),
            FileSort::Markdown => prose::read_markdown(&self.path, &self.name, kind, visit),
            FileSort::Text => prose::read_text(&self.path, &self.name, kind, visit),
        }
    }
}

/// A path that is named must be of a known sort; in a folder other files,
/// hidden ones, symbolic links and caches are passed over.
pub(super) fn find(paths: &[PathBuf], below_folders: &[FileSort]) -> Result<Sources, MemoryError> {
    let mut sources = Sources::default();
    for path in paths {
        let metadata = fs::metadata(path).context(IoSnafu { path, operation: "read" })?;
        if metadata.is_dir() {
            let failed = IoSnafu { path, operation: "read the folder" };
            walk(path, path, below_folders, &mut sources).context(failed)?;
        } else {
            // Anything else, such as a pipe, might never end.
            let sort = FileSort::of(path).filter(|_| metadata.is_file());
            let sort = sort.context(UnsupportedFileSnafu { path })?;
            sources.files.push(Source {
                sort,
                name: relative_name(path, None),
                path: path.clone(),
            });
        }
    }
    Ok(sources)
}

fn walk(
    root: &Path,
    folder: &Path,
    wanted: &[FileSort],
    sources: &mut Sources,
) -> std::io::Result<()> {
    // The mark of directories whose content a program can make anew.
    if folder.join("CACHEDIR.TAG").exists() {
        return Ok(());
    }
    let mut items: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    items.sort_by_key(fs::DirEntry::file_name);
    for item in items {
        let path = item.path();
        let kind = item.file_type()?;
        let hidden = item.file_name().as_encoded_bytes().starts_with(b".");
        match FileSort::of(&path).filter(|sort| wanted.contains(sort)) {
            _ if hidden => {}
            _ if kind.is_dir() => {
                if let Err(error) = walk(root, &path, wanted, sources) {
                    sources.unreadable.push((path, error));
                }
            }
            Some(sort) if kind.is_file() => {
                let name = relative_name(&path, Some(root));
                sources.files.push(Source { path, sort, name });
            }
            _ => sources.ignored += 1,
        }
    }
    Ok(())
}
