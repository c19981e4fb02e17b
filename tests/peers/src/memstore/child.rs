//! A contender's process: an order goes in, its answer comes out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};

use super::orders::{Answer, Order};

pub(super) struct Child {
    process: Process,
    /// Taken to end it: a child ends with its input.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Child {
    pub(super) fn start(mut command: Command) -> Result<Self, String> {
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.map_err(|error| error.to_string())?;
        let orders = process.stdin.take();
        let answers = process.stdout.take().ok_or("it has no output")?;
        Ok(Self { process, orders, answers: BufReader::new(answers) })
    }

    pub(super) fn ask(&mut self, order: &Order) -> Result<Answer, String> {
        let orders = self.orders.as_mut().ok_or("it has ended")?;
        writeln!(orders, "{}", order.json()).map_err(|error| error.to_string())?;
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("it ended without an answer".to_owned()),
            Ok(_) => Answer::read(&line),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It closes its store first; how it ended matters to nobody.
        let _ = self.process.wait();
    }
}
