//! A model: a process that takes memory when it is told to.
//!
//! It answers each line of its input with one of its output: `alloc MIB`,
//! `free`, `info`, `loop MS` and `exit`. Its process is what gives the memory
//! back in the end, as with a real runner.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cuda::{Block, Cuda, CudaError};

/// Serves its input until that ends.
///
/// # Errors
///
/// Where the input or the output fails: then nobody is there any more.
pub fn hold(library: Option<&Path>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let cuda = match Cuda::open(library) {
        Ok(cuda) => Arc::new(cuda),
        Err(error) => return writeln!(output, "{}", answer_to(&error)),
    };
    writeln!(output, "ok")?;
    let mut blocks: Vec<Block> = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (word, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: u64 = number.parse().unwrap_or_default();
        let answer = match word {
            "alloc" => cuda.take(number << 20).map(|block| {
                blocks.push(block);
                "ok".to_owned()
            }),
            "free" => {
                blocks.clear();
                Ok("ok".to_owned())
            }
            "info" => cuda.memory().map(|(free, total)| format!("ok {free} {total}")),
            "loop" => touch(&blocks, Duration::from_millis(number)).map(|()| "ok".to_owned()),
            "exit" => return Ok(()),
            _ => Ok(format!("error no such word: {word}")),
        };
        writeln!(output, "{}", answer.unwrap_or_else(|error| answer_to(&error)))?;
    }
    Ok(())
}

/// Keeps the card busy.
fn touch(blocks: &[Block], time: Duration) -> Result<(), CudaError> {
    let start = Instant::now();
    while start.elapsed() < time {
        blocks.iter().try_for_each(Block::touch)?;
        // What is told to a card is done later; asking waits for none of it.
        std::thread::yield_now();
    }
    Ok(())
}

fn answer_to(error: &CudaError) -> String {
    if error.is_out_of_memory() { "oom".to_owned() } else { format!("error {error}") }
}
