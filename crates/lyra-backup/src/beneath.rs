//! Opens what lies below a directory and never leaves it, whatever is put in the way.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens directories below a root and never leaves it, whatever lies there.
#[derive(Debug)]
pub(crate) struct Beneath(OwnedFd);

impl Beneath {
    /// `root` itself may not be a link.
    pub(crate) fn open(root: &Path) -> rustix::io::Result<Self> {
        openat(CWD, root, OFlags::RDONLY | DIRECTORY, Mode::empty()).map(Self)
    }

    /// The directory `path` below the root, which is itself the empty path.
    pub(crate) fn open_dir(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let path = if path == Path::new("") { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | DIRECTORY;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&self.0, path, flags, Mode::empty(), inside) {
            // Kernels before 5.6, and sandboxes that don't know the call.
            Err(Errno::NOSYS | Errno::PERM) => self.open_dir_stepwise(path),
            other => other,
        }
    }

    fn open_dir_stepwise(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | DIRECTORY;
        let mut dir = openat(&self.0, ".", flags, Mode::empty())?;
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::Normal(name) => dir = openat(&dir, name, flags, Mode::empty())?,
                _ => return Err(Errno::XDEV),
            }
        }
        Ok(dir)
    }
}

/// What `name` in `dir` is, without following a link and without opening it:
/// a file that is only looked at keeps the locks that this process has on it.
pub(crate) fn look(dir: impl AsFd, name: &OsStr) -> io::Result<Metadata> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    File::from(openat(dir, name, flags, Mode::empty())?).metadata()
}

/// Whether a failure to open says that something else lies there by now.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV];
    error.raw_os_error().is_some_and(|raw| gone.iter().any(|e| e.raw_os_error() == raw))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn neither_way_of_opening_follows_a_link_or_climbs_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink("..", root.join("a/up")).unwrap();
        let beneath = Beneath::open(&root).unwrap();
        for path in ["", "a", "a/b"] {
            assert!(beneath.open_dir(Path::new(path)).is_ok(), "{path}");
            assert!(beneath.open_dir_stepwise(Path::new(path)).is_ok(), "{path}");
        }
        for path in ["a/up", "a/up/root", "..", "../root", "/"] {
            assert!(beneath.open_dir(Path::new(path)).is_err(), "{path}");
            assert!(beneath.open_dir_stepwise(Path::new(path)).is_err(), "{path}");
        }
    }
}
