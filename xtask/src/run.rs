//! Running commands, each echoed first as one could type it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::failure::Failure;

/// One command line.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    program: OsString,
    shown: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
}

/// What a finished command wrote.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
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

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
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
    /// whether it succeeded.
    pub(crate) fn watch(&self, root: &Path, mut see: impl FnMut(&str)) -> Result<bool, Failure> {
        println!("$ {}", self.line());
        let mut child = self
            .command(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let (sender, lines) = mpsc::channel();
        let readers = [
            child.stdout.take().map(|pipe| forward(pipe, sender.clone())),
            child.stderr.take().map(|pipe| forward(pipe, sender)),
        ];
        for line in lines {
            println!("{line}");
            see(&line);
        }
        for reader in readers.into_iter().flatten() {
            // A reader has nothing that could panic; were it to, the missing
            // closing line of the harness would be noticed by the caller.
            let _ = reader.join();
        }
        let status = child.wait().map_err(|error| self.not_started(&error))?;
        Ok(status.success())
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

fn forward<R: Read + Send + 'static>(
    pipe: R,
    lines: mpsc::Sender<String>,
) -> thread::JoinHandle<()> {
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
    })
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
        let success = call.watch(Path::new("."), |line| seen.push(line.to_owned())).unwrap();
        seen.sort();
        assert_eq!(seen, ["bad \u{fffd} byte", "err", "out"]);
        assert!(!success);
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_a_remedy() {
        let call = Call::program("no-such-program-here", &[]);
        let failure = call.status(Path::new(".")).unwrap_err().to_string();
        assert!(failure.contains("remedy: install `no-such-program-here`"), "{failure}");
    }
}
