//! Lines into files that rotate at one mebibyte, of which seven old ones stay.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use lyra_log::Sink as _;
use lyra_log::files::{Delivery, LogFiles, Rotation};
use rolling_file::{RollingConditionBasic, RollingFileAppender};
use tempfile::TempDir;
use tracing::Level;

use super::AREA;
use crate::harness::Group;

const LIMIT: u64 = 1 << 20;

/// As long as a record of an event in two spans.
fn line() -> Vec<u8> {
    let mut line = vec![b'x'; 299];
    line.push(b'\n');
    line
}

fn folder() -> TempDir {
    TempDir::new().expect("there is room for files")
}

fn rolling(buffered: usize) -> impl FnMut(u64) {
    let (folder, line) = (folder(), line());
    let path = folder.path().join("rolling.log");
    let limit = RollingConditionBasic::new().max_size(LIMIT);
    let mut file = RollingFileAppender::new_with_buffer_capacity(path, limit, 7, buffered)
        .expect("the folder is there");
    move |calls| {
        let _stays = &folder;
        (0..calls).for_each(|_| file.write_all(&line).expect("there is room"));
    }
}

fn rotate() -> impl FnMut(u64) {
    let (folder, line) = (folder(), line());
    let limit = ContentLimit::BytesSurpassed(LIMIT as usize);
    let path = folder.path().join("rotate.log");
    let mut file = FileRotate::new(path, AppendCount::new(7), limit, Compression::None, None);
    move |calls| {
        let _stays = &folder;
        (0..calls).for_each(|_| file.write_all(&line).expect("there is room"));
    }
}

fn ours(delivery: Delivery) -> impl FnMut(u64) {
    let (folder, line) = (folder(), line());
    let rotation = Rotation::size_mib(1).keep(7);
    let files = LogFiles::new(folder.path(), "ours", rotation, delivery).expect("it is there");
    move |calls| {
        let _stays = &folder;
        (0..calls).for_each(|_| files.line(Level::INFO, &line));
    }
}

/// Without a limit: the floor of whoever writes each line by itself.
fn raw() -> impl FnMut(u64) {
    let (folder, line) = (folder(), line());
    let path = folder.path().join("raw.log");
    let mut written = 0;
    let mut file = File::create(&path).expect("the folder is there");
    move |calls| {
        let _stays = &folder;
        for _ in 0..calls {
            file.write_all(&line).expect("there is room");
            written += line.len() as u64;
            if written > 8 * LIMIT {
                file = File::create(&path).expect("the folder is there");
                written = 0;
            }
        }
    }
}

pub(super) fn rotated() -> Group {
    let gathered = Delivery::Buffered { max_bytes: 64 << 10, max_delay: Duration::from_secs(600) };
    Group::new(AREA, "a line of 300 bytes, rotated at 1 MiB")
        .ours("", ours(gathered))
        .ours("one write a line", ours(Delivery::Direct))
        .peer("rolling-file with 64 KiB", rolling(64 << 10))
        .peer("rolling-file", rolling(0))
        .peer("file-rotate", rotate())
        .peer("a raw file that grows", raw())
}
