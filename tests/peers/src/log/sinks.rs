//! Where lines go that nobody reads.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lyra_log::Sink;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// Counts bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Counting(Arc<AtomicU64>);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Counting {
    fn line(&self, _: Level, line: &[u8]) {
        self.0.fetch_add(line.len() as u64, Ordering::Relaxed);
    }
}

impl<'a> MakeWriter<'a> for Counting {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A file without a name, which keeps what it gets as long as this run.
pub(super) fn raw_file() -> Arc<File> {
    Arc::new(tempfile::tempfile().expect("there is room for a file"))
}
