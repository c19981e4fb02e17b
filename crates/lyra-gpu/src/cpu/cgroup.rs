//! What the control groups of this process leave it, in both versions.

use std::path::{Component, Path, PathBuf};

use super::text::Root;
use crate::source::SourceError;

/// The limit of one group, and what it has of it.
#[derive(Debug)]
pub(super) struct Limit {
    /// The most that it may have.
    pub(super) most: u64,
    current: u64,
    /// What it caches and can give up.
    cached: u64,
}

/// What the files of a version are called.
#[derive(Debug)]
struct Names {
    /// Where the groups may be mounted.
    mounts: &'static [&'static str],
    most: &'static str,
    current: &'static str,
    cached: &'static str,
}

const V1: Names = Names {
    mounts: &["sys/fs/cgroup/memory"],
    most: "memory.limit_in_bytes",
    current: "memory.usage_in_bytes",
    cached: "total_inactive_file",
};

const V2: Names = Names {
    // The second one where both versions are in use.
    mounts: &["sys/fs/cgroup", "sys/fs/cgroup/unified"],
    most: "memory.max",
    current: "memory.current",
    cached: "inactive_file",
};

impl Limit {
    /// What can still be had under it.
    pub(super) fn left(&self) -> u64 {
        let used = self.current.saturating_sub(self.cached);
        self.most.saturating_sub(used)
    }
}

/// The limits of the group of this process and of all groups around it, each
/// of which binds.
pub(super) fn limits(root: &Root) -> Result<Vec<Limit>, SourceError> {
    const OWN: &str = "proc/self/cgroup";
    let mut limits = Vec::new();
    for line in root.read(OWN)?.unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(root.strange(OWN, &format!("has the line {line:?}")));
        };
        let names = match controllers {
            "" => &V2,
            some if some.split(',').any(|controller| controller == "memory") => &V1,
            _ => continue,
        };
        for folder in names.mounts.iter().flat_map(|mount| around(mount, group)) {
            limits.extend(names.limit(root, &folder)?);
        }
    }
    Ok(limits)
}

/// The folders of a group and of those around it, up to the mount. Inside a
/// container the path may be the one that the machine outside knows; then only
/// the mount itself is there, which is the container's own group.
fn around(mount: &str, group: &str) -> Vec<PathBuf> {
    // A group outside of this process's own view begins with `..`.
    let inside = Path::new(group).components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut folder = PathBuf::from(mount);
    let mut folders = vec![folder.clone()];
    for name in inside {
        folder.push(name);
        folders.push(folder.clone());
    }
    folders
}

impl Names {
    /// The limit that a group has; none where it has none, or is not there.
    fn limit(&self, root: &Root, folder: &Path) -> Result<Option<Limit>, SourceError> {
        let path = folder.join(self.most);
        let most = match root.read(&path)? {
            Some(text) if text.trim() != "max" => root.number(&path, &text)?,
            _ => return Ok(None),
        };
        let path = folder.join(self.current);
        let Some(current) = root.read(&path)? else {
            return Err(root.strange(&path, "is not there, but its limit is"));
        };
        let current = root.number(&path, &current)?;
        let path = folder.join("memory.stat");
        let stat = root.read(&path)?.unwrap_or_default();
        let cached = root.field(&path, &stat, self.cached)?.unwrap_or_default();
        Ok(Some(Limit { most, current, cached }))
    }
}
