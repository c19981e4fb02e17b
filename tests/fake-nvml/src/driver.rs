//! A driver of a test's own.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::state::State;
use crate::store::{BESIDE, Store, write};

const LIBRARY: &str = "libnvidia-ml.so.1";

/// A copy of the library, and the state that it goes by.
///
/// A copy, because a process loads a file once: two tests of one process that
/// opened the same one would share what it remembers.
#[derive(Debug)]
pub struct FakeDriver {
    folder: TempDir,
}

impl FakeDriver {
    /// A driver with cards of so many bytes.
    ///
    /// # Panics
    ///
    /// Where the library is not built, or there is no temporary folder.
    #[must_use]
    pub fn with_cards(totals: &[u64]) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let driver = Self { folder };
        fs::copy(library_path(), driver.library()).expect("the library can be copied");
        write(&driver.state_path(), &State::with_cards(totals)).expect("the state can be written");
        driver
    }

    /// The library that a program loads, by the name that programs look for,
    /// in a folder of its own. It serves as `libcuda` too.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.folder.path().join(LIBRARY)
    }

    /// The file that another process is told by [`STATE_VARIABLE`].
    ///
    /// [`STATE_VARIABLE`]: crate::STATE_VARIABLE
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.folder.path().join(BESIDE)
    }

    /// Looks at the state, or changes it, between two calls of whoever uses
    /// the driver.
    pub fn edit<R>(&self, edit: impl FnOnce(&mut State) -> R) -> R {
        Store::File(self.state_path()).with(edit)
    }

    /// A driver that is too old to have a function: its name is not in the
    /// library, which nobody has opened yet.
    ///
    /// # Panics
    ///
    /// Where the library has no such function.
    #[must_use]
    pub fn without_function(self, name: &str) -> Self {
        let mut library = fs::read(self.library()).expect("the copy can be read");
        let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
        let found: Vec<usize> = (0..=library.len() - wanted.len())
            .filter(|&at| library[at..].starts_with(&wanted))
            .collect();
        assert!(!found.is_empty(), "the library has no {name}");
        // The table that finds names goes by their hashes, so a name that was
        // changed is found by neither.
        for at in found {
            library[at + name.len()] = b'?';
        }
        fs::write(self.library(), library).expect("the copy can be written");
        self
    }
}

/// The library as cargo built it: beside the tests of a package that depends
/// on this one, or in the folder below the programs.
///
/// # Panics
///
/// Where it is in neither.
#[must_use]
pub fn library_path() -> PathBuf {
    let name = concat!("lib", env!("CARGO_CRATE_NAME"), ".so");
    let program = std::env::current_exe().expect("a program knows where it lies");
    let folder = program.parent().unwrap_or(Path::new("."));
    let places = [folder.to_owned(), folder.join("deps"), folder.join("../deps")];
    let found = places.into_iter().map(|place| place.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name} beside {}", program.display()))
}
