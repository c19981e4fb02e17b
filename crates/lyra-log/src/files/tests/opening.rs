//! What is there already when a log is opened.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use lyra_errors::Classify as _;

use super::place::{Place, line, write};
use crate::CODES;
use crate::files::{Delivery, FileError, LogFiles, OnBusy, Rotation, Settings};

fn code(result: Result<LogFiles, FileError>) -> &'static str {
    result.map(|log| log.name().to_owned()).unwrap_err().code().id()
}

#[test]
fn every_code_is_raised_and_has_its_hint() {
    let place = Place::new();
    let open = |dir: &str, name: &str| LogFiles::open(&Settings::new(place.path(dir), name, "r"));
    fs::write(place.path("file"), "").unwrap();
    assert_eq!(code(open("file/logs", "agent")), "log.dir");
    for name in ["", "a/b", ".hidden", "a\n", "agent_errors", &"x".repeat(201)] {
        assert_eq!(code(open("logs", name)), "log.setting", "{name:?}");
    }
    let first = open("logs", "agent").unwrap();
    let error = open("logs", "agent").unwrap_err();
    assert_eq!(error.code().id(), "log.in_use");
    assert!(error.to_string().ends_with(&format!("by process {}", std::process::id())), "{error}");
    drop(first);
    fs::remove_file(place.path("logs/agent.log")).unwrap();
    fs::create_dir(place.path("logs/agent.log")).unwrap();
    let error = lyra_errors::Error::from(open("logs", "agent").unwrap_err());
    assert_eq!(error.code().id(), "log.io");
    assert!(error.location().file().contains("files"), "{:?}", error.location());
    assert!(error.code().hint().contains("file"));
}

#[test]
fn settings_that_can_not_be_meant_are_refused() {
    let place = Place::new();
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = place.settings(Rotation::default());
        change(&mut settings);
        code(LogFiles::open(&settings))
    };
    assert_eq!(refused(&|s| s.rotation = Rotation::size_bytes(0)), "log.setting");
    assert_eq!(refused(&|s| s.rotation = Rotation::default().keep(1001)), "log.setting");
    assert_eq!(refused(&|s| s.rotation = Rotation::default().total_mib(19)), "log.setting");
    let nothing = Delivery::Buffered { max_bytes: 0, max_delay: std::time::Duration::from_secs(1) };
    assert_eq!(refused(&|s| s.delivery = nothing), "log.setting");
    assert!(place.names().is_empty(), "nothing was touched");
}

#[test]
fn a_name_that_is_taken_is_numbered_on_request() {
    let place = Place::new();
    let mut settings = place.settings(Rotation::default());
    settings.on_busy = OnBusy::Number;
    let logs: Vec<LogFiles> = (0..3).map(|_| LogFiles::open(&settings).unwrap()).collect();
    let names: Vec<&str> = logs.iter().map(LogFiles::name).collect();
    assert_eq!(names, ["agent", "agent-2", "agent-3"]);
    write(&logs[1], [7]);
    assert_eq!(place.text("agent-2.log"), String::from_utf8(line(7)).unwrap());
    drop(logs);
    assert_eq!(LogFiles::open(&settings).unwrap().name(), "agent");
}

#[test]
fn files_are_for_their_owner_alone() {
    let place = Place::new();
    let dir = place.path("logs/deep");
    let _log = LogFiles::open(&Settings::new(&dir, "agent", "r")).unwrap();
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    for name in ["agent.log", "agent_errors.log", "agent.log.lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[test]
fn a_link_at_the_name_is_not_followed() {
    for name in ["agent.log", "agent_errors.log"] {
        let place = Place::new();
        fs::write(place.path("victim"), "precious").unwrap();
        symlink(place.path("victim"), place.path(name)).unwrap();
        let error = LogFiles::open(&place.settings(Rotation::default())).unwrap_err();
        let error = lyra_errors::Error::from(error);
        assert_eq!(error.code().id(), "log.io");
        assert!(format!("{error:?}").contains("symbolic link"), "{error:?}");
        assert_eq!(place.text("victim"), "precious");
    }
}

#[test]
fn a_torn_last_line_is_ended_and_kept() {
    let place = Place::new();
    fs::write(place.path("agent.log"), [&line(1)[..], b"{\"time\":\"20"].concat()).unwrap();
    let log = place.open(Rotation::default());
    write(&log, 2..=3);
    let text = place.text("agent.log");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[1], "{\"time\":\"20");
    assert_eq!(lines[2].as_bytes(), line(2).trim_ascii_end());
}

#[test]
fn what_has_gathered_is_written_when_it_is_time_and_at_the_end() {
    use crate::sink::Sink as _;
    let place = Place::new();
    let mut settings = place.settings(Rotation::size_bytes(1000));
    let max_delay = std::time::Duration::from_secs(3600);
    settings.delivery = Delivery::Buffered { max_bytes: 400, max_delay };
    let log = LogFiles::open(&settings).unwrap();
    write(&log, 1..=3);
    assert_eq!(place.text("agent.log"), "");
    write(&log, 4..=4);
    assert_eq!(place.kept().0, [1, 2, 3], "400 bytes have gathered");
    log.line(tracing::Level::ERROR, &line(5));
    assert_eq!(place.kept().0, [1, 2, 3, 4, 5], "an error waits for nothing");
    write(&log, 6..=6);
    log.flush();
    assert_eq!(place.kept().0.len(), 6);
    write(&log, 7..=41);
    drop(log);
    assert_eq!(place.kept(), ((1..=41).collect(), 0));
    for number in 1..=3 {
        assert!(place.text(&format!("agent.log.{number}")).len() <= 1000);
    }
}

#[test]
fn a_sync_brings_it_to_the_disk_and_says_so_when_it_fails() {
    let place = Place::new();
    let log = place.open(Rotation::default());
    write(&log, 1..=1);
    log.sync().unwrap();
    place.disk.fail_all(rustix::io::Errno::IO);
    assert_eq!(log.sync().unwrap_err().code().id(), "log.io");
    assert_eq!(log.dir(), place.dir.path());
}

#[test]
fn a_sync_takes_what_was_rotated_away_along() {
    let place = Place::new();
    let log = place.open(Rotation::size_bytes(300).keep(3));
    write(&log, 1..=12);
    let plain = place.names().iter().filter(|name| name.starts_with("agent.log.")).count();
    let before = place.disk.syncs();
    log.sync().unwrap();
    assert_eq!(plain, 3);
    assert_eq!(place.disk.syncs() - before, plain + 2 + 1, "the current ones and the directory");
}

#[test]
fn a_beginning_that_fails_leaves_nothing() {
    let place = Place::new();
    fs::create_dir(place.path("agent_errors.log")).unwrap();
    assert_eq!(code(LogFiles::open(&place.settings(Rotation::default()))), "log.io");
    assert_eq!(place.names(), ["agent_errors.log"]);
    let nowhere = Settings::new("", "agent", "run-1");
    assert_eq!(code(LogFiles::open(&nowhere)), "log.setting");
    // What can't be cleared up is in nobody's way.
    let place = Place::new();
    fs::create_dir(place.path("agent.log.8")).unwrap();
    let log = place.open(Rotation::default());
    write(&log, 1..=1);
    assert_eq!(log.counts().0.written, 1);
}

#[test]
fn codes_are_ours_and_different() {
    assert!(CODES.iter().all(|code| code.id().starts_with("log.")), "{CODES:?}");
    let mut ids: Vec<&str> = CODES.iter().map(|code| code.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CODES.len());
}

#[test]
fn what_has_gathered_waits_no_longer_than_was_asked_for() {
    let place = Place::new();
    let mut settings = place.settings(Rotation::default());
    let max_delay = std::time::Duration::from_millis(5);
    settings.delivery = Delivery::Buffered { max_bytes: 65_536, max_delay };
    let log = LogFiles::open(&settings).unwrap();
    write(&log, 1..=3);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while place.kept().0.len() < 3 {
        assert!(std::time::Instant::now() < deadline, "nobody wrote it");
        std::thread::yield_now();
    }
}
