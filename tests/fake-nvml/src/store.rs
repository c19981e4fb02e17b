//! Where the state lies: in a file that several processes share, or in this
//! process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::process;
use crate::state::State;

/// Names the file of the state to a process that loads the library; by
/// default it is the one beside the library.
pub const STATE_VARIABLE: &str = "LYRA_FAKE_NVML_STATE";

/// What the file beside the library is called.
pub(crate) const BESIDE: &str = "fake-nvml.json";

const ALONE: &[u64] = &[24 << 30];

/// What this process's calls go by.
static STORE: LazyLock<Store> = LazyLock::new(|| {
    let named = std::env::var_os(STATE_VARIABLE).map(PathBuf::from);
    match named.or_else(|| own_library()?.parent().map(|folder| folder.join(BESIDE))) {
        Some(path) if path.is_file() => Store::File(path),
        _ => Store::Process(Mutex::new(State::with_cards(ALONE))),
    }
});

#[derive(Debug)]
pub(crate) enum Store {
    File(PathBuf),
    Process(Mutex<State>),
}

/// Does something with the state that this process's calls go by, which
/// nobody else touches meanwhile.
pub(crate) fn with<R>(call: impl FnOnce(&mut State) -> R) -> R {
    STORE.with(call)
}

/// By the wall clock, because all processes have to agree on it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Store {
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut State) -> R) -> R {
        let settled = |state: &mut State| {
            state.settle(now_ms(), process::lives);
            let answer = call(state);
            state.note_peaks();
            answer
        };
        match self {
            Self::Process(state) => {
                settled(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Self::File(path) => {
                let _lock = locked(path);
                // Where the test is over and the file gone, there is no driver.
                let before = read(path).unwrap_or_default();
                let mut state = before.clone();
                let answer = settled(&mut state);
                if state != before {
                    let _ = write(path, &state);
                }
                answer
            }
        }
    }
}

pub(crate) fn write(path: &Path, state: &State) -> io::Result<()> {
    // A rename is whole or not there, also where a process is killed in it.
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(state)?)?;
    fs::rename(new, path)
}

fn read(path: &Path) -> io::Result<State> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The lock is another file, because the state's own is replaced; the system
/// gives it back when a process dies.
fn locked(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("lock"))?;
    file.lock()?;
    Ok(file)
}

/// The file that this code was loaded from.
fn own_library() -> Option<PathBuf> {
    let own = own_library as *const () as usize;
    fs::read_to_string("/proc/self/maps").ok()?.lines().find_map(|line| {
        let (range, _) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let [from, to] = [from, to].map(|end| usize::from_str_radix(end, 16));
        let path = line.find('/').map(|at| PathBuf::from(&line[at..]));
        path.filter(|_| from.is_ok_and(|from| from <= own) && to.is_ok_and(|to| own < to))
    })
}
