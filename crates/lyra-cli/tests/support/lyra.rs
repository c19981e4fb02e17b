//! The real command, in a directory of its own.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stdout, reason = "a seed is shown where a test fails")]

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory in which `lyra` is run, and nothing else.
pub(crate) struct Place {
    dir: TempDir,
}

/// What a run of `lyra` gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `lyra ARGUMENTS`, split at spaces, in this directory and without
    /// anybody's configuration.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        command_in(self.path(), arguments)
    }

    pub(crate) fn run(&self, arguments: &str) -> Ran {
        Ran::of(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// A run that must succeed.
    pub(crate) fn done(&self, arguments: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "lyra {arguments}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// The document of a run with `--format json`, which must be one.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        self.done(&format!("{arguments} --format json")).document()
    }

    /// A run that must fail: the dictionary that it prints.
    pub(crate) fn fails(&self, arguments: &str, code: i32) -> Value {
        let ran = self.run(&format!("{arguments} --format json"));
        assert_eq!(ran.code, code, "lyra {arguments}\n{}\n{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.is_empty(), "lyra {arguments} told nothing on stderr");
        let error = ran.document();
        for key in ["type", "code", "message", "context", "recoverable", "hint", "causes"] {
            assert!(error.get(key).is_some(), "lyra {arguments}: no `{key}` in {error}");
        }
        error
    }

    pub(crate) fn run_with_stdin(&self, arguments: &str, stdin: &str) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who finds fault with the first line may not wait for the last.
        match child.stdin.take().unwrap().write_all(stdin.as_bytes()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.unwrap(),
        }
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Names in the directory `name`, sorted; empty where there is none.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let Ok(items) = self.join(name).read_dir() else { return Vec::new() };
        let mut names: Vec<_> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one JSON document on stdout.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one document: {error}\n{}", self.stdout))
    }
}

pub(crate) fn command_in(dir: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyra"));
    command.current_dir(dir).args(arguments.split_whitespace());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LYRA_") {
            command.env_remove(name);
        }
    }
    command
}

/// Numbers that look random, from a seed that a failing test prints.
pub(crate) struct Random(u64);

impl Random {
    /// Others, from one of these.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// From `LYRA_TEST_SEED`, else from the time.
    pub(crate) fn seeded(test: &str) -> Self {
        let seed = std::env::var("LYRA_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::from(now.unwrap().subsec_nanos())
        });
        println!("{test}: repeat with LYRA_TEST_SEED={seed}");
        Self(seed)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// Within -1 and 1.
    pub(crate) fn float(&mut self) -> f32 {
        let step = u16::try_from(self.below(20_001)).unwrap();
        f32::from(step) / 10_000.0 - 1.0
    }
}

/// Says that a test could not run its real part, past the harness, which
/// would swallow it.
pub(crate) fn skipped(test: &str, reason: &str, remedy: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED {test}: {reason}; get it with {remedy}").unwrap();
}

/// Keeps a core busy for a moment whose length the clock's own jitter varies,
/// so that what runs beside is met anywhere and not only after a write.
pub(crate) fn busy(microseconds: u64) {
    let end = std::time::Instant::now() + std::time::Duration::from_micros(microseconds);
    while std::time::Instant::now() < end {
        std::hint::spin_loop();
    }
}
