//! Mount points in a tree: a rename would carry them along, and a removal would empty what is mounted.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// A mount point at `dir` or below it. `dir` is absolute and without links.
///
/// The kernel's list is the one thing that tells a bind mount within one file
/// system; device numbers are the same on both sides of it. Where the list
/// can't be read, nothing is found, and [`remove_tree`](crate::durable::remove_tree)
/// still stops at each mount.
pub(crate) fn mount_in(dir: &Path) -> Option<PathBuf> {
    let list = fs::read("/proc/self/mountinfo").ok()?;
    mount_points(&list).find(|point| point.starts_with(dir))
}

fn mount_points(list: &[u8]) -> impl Iterator<Item = PathBuf> {
    list.split(|b| *b == b'\n').filter_map(|line| {
        let point = line.split(|b| *b == b' ').nth(4)?;
        Some(PathBuf::from(OsString::from_vec(unescaped(point))))
    })
}

/// Blanks, tabs, newlines and backslashes stand there as three octal digits.
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        text = rest;
        plain.push(match rest {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                text = after;
                (a - b'0') * 64 + (b - b'0') * 8 + (c - b'0')
            }
            _ => *first,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_told_by_path_and_not_by_text() {
        let list = b"36 35 98:0 / / rw - ext4 /dev/a rw\n\
            37 36 98:0 /x /tmp/a\\040b/c rw shared:1 - ext4 /dev/a rw\n\
            broken\n38 36 0:5 / /tmp/back\\134slash rw - tmpfs tmpfs rw\n";
        let points: Vec<PathBuf> = mount_points(list).collect();
        assert_eq!(points, ["/", "/tmp/a b/c", "/tmp/back\\slash"].map(PathBuf::from));
        assert!(mount_in(Path::new("/")).is_some());
        assert_eq!(mount_in(Path::new("/no/such/place")), None);
    }
}
