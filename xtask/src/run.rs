//! Running commands, each echoed first as one could type it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::process_tree;

/// How long a command that was killed may still be heard.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One command line.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    program: OsString,
    shown: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

/// What a finished command wrote.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How a command that was watched came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Badly,
    /// By us, at its limit.
    Stopped,
}

impl Call {
    /// `cargo` with these words; it is the cargo that runs this program.
    pub(crate) fn cargo(arguments: &[&str]) -> Self {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self { program, ..Self::program("cargo", arguments) }
    }

    pub(crate) fn program(program: &str, arguments: &[&str]) -> Self {
        Self {
            program: program.into(),
            shown: program.to_owned(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
        }
    }

    /// A program that was installed for this workspace, shown by its path from
    /// the root, where that leads to it.
    pub(crate) fn tool(program: &Path, root: &Path, arguments: &[&str]) -> Self {
        let shown = program.strip_prefix(root).unwrap_or(program);
        Self { program: program.into(), ..Self::program(&shown.display().to_string(), arguments) }
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The line as one could type it into a shell.
    pub(crate) fn line(&self) -> String {
        let assignments =
            self.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(self.shown.as_str())
            .chain(self.arguments.iter().map(String::as_str))
            .map(quoted);
        assignments.chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Runs it with this terminal as its own; whether it succeeded.
    pub(crate) fn status(&self, root: &Path) -> Result<bool, Failure> {
        println!("$ {}", self.line());
        let status = self.command(root).status();
        Ok(status.map_err(|error| self.not_started(&error))?.success())
    }

    /// Runs it, and fails with the remedy where it fails.
    pub(crate) fn must(&self, root: &Path, remedy: &str) -> Result<(), Failure> {
        if self.status(root)? {
            return Ok(());
        }
        Err(Failure::new(format!("`{}`", self.line()), remedy))
    }

    /// Runs it and keeps what it writes.
    pub(crate) fn output(&self, root: &Path) -> Result<Output, Failure> {
        println!("$ {}", self.line());
        let output = self
            .command(root)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.not_started(&error))?;
        Ok(Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it, passes on each line that it writes and shows each to `see`;
    /// at the limit it is killed with all that it has started.
    pub(crate) fn watch(
        &self,
        root: &Path,
        limit: Duration,
        mut see: impl FnMut(&str),
    ) -> Result<Ended, Failure> {
        println!("$ {}", self.line());
        let mut child = self
            .command(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let (sender, lines) = mpsc::channel();
        // Not waited for: a process that outlives the command may hold a pipe
        // open, and a reader ends with its pipe.
        if let Some(pipe) = child.stdout.take() {
            forward(pipe, sender.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            forward(pipe, sender);
        }
        let mut until = Instant::now() + limit;
        let mut is_stopped = false;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    println!("{line}");
                    see(&line);
                }
                Err(RecvTimeoutError::Timeout) if !is_stopped => {
                    process_tree::kill(&mut child);
                    // What was written before, half a line at the end included.
                    (is_stopped, until) = (true, Instant::now() + LAST_WORDS);
                }
                Err(_) => break,
            }
        }
        let status = child.wait().map_err(|error| self.not_started(&error))?;
        Ok(match status.success() {
            _ if is_stopped => Ended::Stopped,
            true => Ended::Well,
            false => Ended::Badly,
        })
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(root);
        // `cargo run` describes this very package to the program it runs. An
        // inner cargo would hand that on, and what it builds would differ from
        // what the same line builds when typed.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name.as_ref());
            }
        }
        // What is built once from nothing needs no state for the next build, which
        // is 5 of the 13 GB that the gate leaves on a bare machine.
        if std::env::var_os("CI").is_some() {
            command.env("CARGO_INCREMENTAL", "0");
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    fn not_started(&self, error: &std::io::Error) -> Failure {
        Failure::new(
            format!("`{}` could not be started: {error}", self.line()),
            format!("install `{}` and put it on the path", self.shown),
        )
    }
}

fn forward<R: Read + Send + 'static>(pipe: R, lines: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        // Bytes, not `lines()`: a test may write what is not UTF-8, and the
        // pipe must be drained all the same or the child would block.
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if lines.send(text).is_err() {
                return;
            }
        }
    });
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_line_can_be_typed_as_it_stands() {
        let call = Call::cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(call.line(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        let call = Call::program("echo", &["it's", "{p}", ""]);
        assert_eq!(call.line(), r"echo 'it'\''s' '{p}' ''");
    }

    #[test]
    fn a_tool_is_shown_by_its_path_from_the_root() {
        let call = Call::tool(Path::new("/r/target/tools/t"), Path::new("/r"), &["-V"]);
        assert_eq!(call.line(), "target/tools/t -V");
        let call = Call::tool(Path::new("/elsewhere/t"), Path::new("/r"), &["-V"]);
        assert_eq!(call.line(), "/elsewhere/t -V");
    }

    #[test]
    fn watching_sees_the_lines_of_both_pipes_and_the_outcome() {
        let mut seen = Vec::new();
        let call =
            Call::program("sh", &["-c", r"echo out; echo err >&2; printf 'bad \377 byte'; exit 3"]);
        let ended = call.watch(Path::new("."), LONG, |line| seen.push(line.to_owned())).unwrap();
        seen.sort();
        assert_eq!(seen, ["bad \u{fffd} byte", "err", "out"]);
        assert_eq!(ended, Ended::Badly);
        assert_eq!(
            Call::program("true", &[]).watch(Path::new("."), LONG, |_| {}).unwrap(),
            Ended::Well
        );
    }

    #[test]
    fn at_its_limit_a_command_is_killed_with_its_children_and_its_last_words_are_heard() {
        let mut seen = Vec::new();
        let script =
            r"sleep 600 & echo $!; echo $$; sh -c 'echo $$; printf half; sleep 600; true' & wait";
        let call = Call::program("sh", &["-c", script]);
        let begun = Instant::now();
        let limit = Duration::from_secs(2);
        let ended = call.watch(Path::new("."), limit, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(ended, Ended::Stopped);
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        let (processes, words): (Vec<&String>, Vec<&String>) =
            seen.iter().partition(|line| line.parse::<u32>().is_ok());
        assert_eq!(words, ["half"], "{seen:?}");
        assert_eq!(processes.len(), 3);
        for process in processes {
            assert!(!process_tree::is_alive(process), "{process} of {seen:?}");
        }
    }

    #[test]
    fn a_process_that_was_left_behind_holds_up_nobody_for_longer_than_the_limit() {
        let call = Call::program("sh", &["-c", "(sleep 10 &)"]);
        let begun = Instant::now();
        let ended = call.watch(Path::new("."), Duration::from_millis(200), |_| {}).unwrap();
        assert_eq!(ended, Ended::Stopped);
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_a_remedy() {
        let call = Call::program("no-such-program-here", &[]);
        let failure = call.status(Path::new(".")).unwrap_err().to_string();
        assert!(failure.contains("remedy: install `no-such-program-here`"), "{failure}");
    }
}
