//! A process that ends in any way loses no line that it was told was written.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::place::{Place, line, lines, write};
use crate::files::{LogFiles, Rotation, Settings};
use crate::sink::Sink as _;

const ROLE: &str = "LYRA_LOG_TEST_ROLE";
const CHILD: &str = "files::tests::kill::child_role";
/// Of each directory, before it is read and another begins.
const LIVES: u64 = 10;
const DIRECTORIES: u64 = 10;

fn rotation() -> Rotation {
    let rotation = Rotation::size_bytes(3000).keep(300);
    #[cfg(feature = "zstd")]
    let rotation = rotation.zstd();
    rotation
}

/// What the child does: this binary again, with its role in the environment.
/// Without a role the test passes at once.
#[test]
fn child_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = std::env::var_os("DIR").unwrap();
    let from: u64 = std::env::var("FROM").unwrap().parse().unwrap();
    let log =
        LogFiles::open(&Settings { rotation: rotation(), ..Settings::new(dir, "agent", "r") });
    let log = log.unwrap();
    if role == "kill" {
        let mut acknowledge = std::io::stdout().lock();
        for seq in from.. {
            log.line(tracing::Level::INFO, &line(seq));
            writeln!(acknowledge, "{seq}").unwrap();
        }
    }
    write(&log, from..from + 5000);
    match role.as_str() {
        "exit" => std::process::exit(7),
        "abort" => std::process::abort(),
        "panic" => panic!("as it was told"),
        other => panic!("no such role: {other}"),
    }
}

fn spawn(dir: &Path, role: &str, from: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(ROLE, role)
        .env("DIR", dir)
        .env("FROM", from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The last number that was acknowledged, after at least `wait` of them.
fn kill_after(mut child: Child, wait: u64) -> Option<u64> {
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut last = None;
    for _ in 0..wait {
        last = next(&mut told).or(last);
    }
    child.kill().unwrap();
    while let Some(seq) = next(&mut told) {
        last = Some(seq);
    }
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    last
}

/// The next number; what the harness prints is no number, and what a killed
/// process has left of one is none either.
fn next(told: &mut BufReader<ChildStdout>) -> Option<u64> {
    loop {
        let mut line = String::new();
        if told.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        if let Some(seq) = line.strip_suffix('\n').and_then(|line| line.parse().ok()) {
            return Some(seq);
        }
    }
}

#[test]
fn no_acknowledged_line_is_lost_to_a_kill() {
    let soak: u64 = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut random = Random(20_261_123);
    let (mut acknowledged, mut torn) = (0, 0);
    for _ in 0..DIRECTORIES * soak {
        let place = Place::new();
        let mut expected = BTreeSet::new();
        let mut from = 1;
        for _ in 0..LIVES {
            let child = spawn(place.dir.path(), "kill", from);
            let last = kill_after(child, 120 + random.below(200)).unwrap();
            expected.extend(from..=last);
            // One line more may have been written and not acknowledged.
            from = last + 2;
        }
        // The next process finds its way.
        let log = LogFiles::open(&place.settings(rotation())).unwrap();
        write(&log, [from]);
        drop(log);
        expected.insert(from);
        let mut found = lines(place.dir.path(), "agent.log");
        let all = found.len();
        found.retain(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        torn += all - found.len();
        let (kept, lost) = super::place::numbers(&found);
        assert_eq!(lost, 0);
        assert!(kept.is_sorted_by(|a, b| a < b), "in order and none twice");
        let kept: BTreeSet<u64> = kept.into_iter().collect();
        let missing: Vec<_> = expected.difference(&kept).collect();
        assert!(missing.is_empty(), "{missing:?}");
        acknowledged += expected.len();
        assert!(place.names().iter().all(|name| !name.ends_with("partial")), "{:?}", place.names());
    }
    let told = format!("{acknowledged} lines acknowledged, {torn} torn");
    let _ = writeln!(std::io::stderr(), "{} kills: {told}", LIVES * DIRECTORIES * soak);
    assert!(acknowledged >= 20_000, "{told}");
    assert!(torn <= 1, "{told}");
}

#[test]
fn every_line_is_kept_after_an_exit_an_abort_and_a_panic() {
    for role in ["exit", "abort", "panic"] {
        let place = Place::new();
        let ended = spawn(place.dir.path(), role, 1).wait_with_output().unwrap();
        assert!(!ended.status.success(), "{role}: {}", ended.status);
        let (found, lost) = super::place::numbers(&lines(place.dir.path(), "agent.log"));
        assert_eq!((found, lost), ((1..=5000).collect(), 0), "{role}");
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}
