//! Whatever dies, is full or stands in the way: nothing is lost, and the next
//! run works.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is how a test fails")]

#[path = "support/lyra.rs"]
mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use support::{Place, Random, busy, skipped};

const KILLS: usize = 20;

#[test]
fn a_second_writer_is_told_who_writes_and_readers_go_on() {
    let place = Place::new();
    let mut writer = halted_writer(&place);
    let error = place.fails("memory add --content second", 5);
    assert_eq!(error["code"], "memstore.locked");
    assert_eq!(error["context"]["pid"], writer.id(), "{error}");
    assert_eq!(error["recoverable"], true);
    for verb in ["list", "search entry", "stats", "check", "export"] {
        place.done(&format!("memory {verb}"));
    }
    let count = |place: &Place| place.json("memory count")["count"].as_u64().unwrap();
    let before = count(&place);
    let name = place.json("backup create")["name"].as_str().unwrap().to_owned();
    let in_use = place.fails(&format!("backup restore {name} --target memory --yes"), 5);
    assert_eq!(in_use["code"], "backup.target_in_use", "{in_use}");

    writer.kill().unwrap();
    writer.wait().unwrap();
    place.done("memory add --content second");
    // The batch at which it was halted may have been durable already.
    assert!([before + 1, before + 501].contains(&count(&place)), "{before}, {}", count(&place));
    place.done(&format!("backup restore {name} --target memory --yes"));
    assert_eq!(count(&place), before);
}

#[test]
fn a_transaction_that_is_killed_is_whole_or_not_there() {
    let mut random = Random::seeded("a_transaction_that_is_killed");
    let place = with_entries(2_000);
    place.json("memory export --output all.jsonl");
    let delete = (0..2_000).fold("memory delete".to_owned(), |ids, i| format!("{ids} e{i}"));
    let mut seen = [0, 0];
    for kill in 0..KILLS {
        let child = place.command(&delete).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        killed_after(child.unwrap(), random.below(60_000));
        match place.json("memory count")["count"].as_u64().unwrap() {
            2_000 => seen[0] += 1,
            0 => {
                seen[1] += 1;
                place.done("memory import all.jsonl");
            }
            other => panic!("kill {kill}: {other} of 2000 entries"),
        }
        place.done("memory check");
    }
    println!("rolled back {}, committed {}", seen[0], seen[1]);
}

#[test]
fn a_backup_that_is_killed_is_never_listed_and_swept_by_the_next() {
    let mut random = Random::seeded("a_backup_that_is_killed");
    let place = with_entries(2_000);
    let mut finished = 0;
    for _ in 0..KILLS {
        let child =
            place.command("backup create").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        killed_after(child.unwrap(), random.below(60_000));
        let listed = place.json("backup list");
        assert_eq!(listed["unknown"], json!([]), "{listed}");
        for backup in listed["backups"].as_array().unwrap().iter().skip(finished) {
            place.done(&format!("backup validate {}", backup["name"].as_str().unwrap()));
        }
        finished = listed["backups"].as_array().unwrap().len();
    }
    println!("{finished} of {KILLS} were done before the kill");
    place.done("backup create");
    let rest: Vec<_> = place.names("backups").into_iter().filter(|n| n.starts_with('.')).collect();
    assert!(rest.iter().all(|name| !name.contains("partial")), "{rest:?}");
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_tree_or_the_new_one() {
    let mut random = Random::seeded("a_restore_that_is_killed");
    let place = with_entries(2_000);
    let full = place.json("backup create")["name"].as_str().unwrap().to_owned();
    place.done("memory delete e0 --store memory");
    let less = place.json("backup create")["name"].as_str().unwrap().to_owned();
    place.done(&format!("backup restore {less} --target target"));
    let mut wanted = [(&full, 2_000), (&less, 1_999)].into_iter().cycle();
    let mut now = 1_999;
    let mut exchanged = 0;
    for _ in 0..KILLS {
        let (name, count) = wanted.next().unwrap();
        let restore = format!("backup restore {name} --target target --yes");
        let child = place.command(&restore).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        killed_after(child.unwrap(), random.below(60_000));
        let there = place.json("memory count --store target")["count"].as_u64().unwrap();
        assert!(there == now || there == count, "{there} is neither {now} nor {count}");
        place.done("memory check --store target");
        exchanged += usize::from(there != now);
        now = there;
    }
    println!("{exchanged} of {KILLS} were exchanged before the kill");
    place.done(&format!("backup restore {full} --target target --yes"));
    assert_eq!(place.json("memory count --store target")["count"], 2_000);
    let litter = place.names(".").into_iter().filter(|name| name.contains(".restore-"));
    assert_eq!(litter.count(), 0, "{:?}", place.names("."));
}

/// In a mount namespace of its own, with a file system of 3 MiB.
#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    const SCRIPT: &str = r##"
        set -u
        mount -t tmpfs -o size=3m none disk || exit 99
        lyra() { "$LYRA" "$@" --format json 2>/dev/null; echo "exit $?"; }
        echo "# import";  lyra memory import in.jsonl --store disk/memory
        echo "# count";   lyra memory count --store disk/memory
        echo "# check";   lyra memory check --store disk/memory
        head -c 64M /dev/zero > disk/filler 2>/dev/null
        echo "# more";    lyra memory import in.jsonl --store disk/memory
        echo "# still";   lyra memory count --store disk/memory
        echo "# backup";  lyra backup create --source small --backup-dir disk/backups
        echo "# list";    lyra backup list --backup-dir disk/backups
        echo "# restore"; lyra backup restore "$NAME" --backup-dir backups --target disk/restored
        echo "# left";    ls -A disk
        rm disk/filler
        echo "# again";   lyra memory add --store disk/memory --content 'one more' --kind fact
        echo "# after";   lyra memory count --store disk/memory
    "##;
    let place = Place::new();
    write_entries(&place, 20_000);
    place.write("small/file.bin", vec![7; 10_000]);
    place.write("large/file.bin", noise(2 << 20));
    let made = place.json("backup create --source large");
    std::fs::create_dir(place.join("disk")).unwrap();
    let name = made["name"].as_str().unwrap();
    let text = match run_with_mounts(&place, SCRIPT, name) {
        Ok(text) => text,
        Err(reason) => {
            let remedy = "`sysctl kernel.unprivileged_userns_clone=1` and util-linux";
            skipped("a_full_disk_is_told_and_nothing_is_lost", &reason, remedy);
            return;
        }
    };
    let part = |name: &str| {
        let from = text.split(&format!("# {name}\n")).nth(1).unwrap_or_else(|| panic!("{text}"));
        from.split("\n# ").next().unwrap().to_owned()
    };
    let fails = |name: &str, code: &str| {
        let part = part(name);
        assert!(part.contains(&format!(r#""code":"{code}""#)), "{name}: {part}");
        assert!(part.contains("exit 1"), "{name}: {part}");
    };
    let count = |name: &str| -> u64 {
        let part = part(name);
        assert!(part.contains("exit 0"), "{name}: {part}");
        let document: serde_json::Value =
            serde_json::from_str(part.lines().next().unwrap()).unwrap();
        document["count"].as_u64().unwrap()
    };
    fails("import", "memstore.disk_full");
    let before = count("count");
    assert!(before > 0 && before < 20_000 && before.is_multiple_of(500), "{before}");
    assert!(part("check").contains("exit 0"), "{text}");
    fails("more", "memstore.disk_full");
    let still = count("still");
    assert!(still >= before && still.is_multiple_of(500), "{before}, then {still}");
    fails("backup", "backup.disk_full");
    assert!(part("list").contains(r#""backups":[]"#), "{text}");
    fails("restore", "backup.disk_full");
    assert!(!part("left").contains("restored"), "{text}");
    assert!(part("again").contains("exit 0"), "{text}");
    assert_eq!(count("after"), still + 1);
}

#[test]
fn ctrl_c_ends_with_130_and_nothing_half_done() {
    for signal in ["-INT", "-TERM"] {
        let place = Place::new();
        let mut writer = halted_writer(&place);
        tell(&writer, signal);
        tell(&writer, "-CONT");
        assert_eq!(writer.wait().unwrap().code(), Some(130), "{signal}");
        place.done("memory check");
        let count = place.json("memory count")["count"].as_u64().unwrap();
        assert!((500..20_000).contains(&count) && count.is_multiple_of(500), "{count}");
        place.done("memory add --content second");
    }
}

#[test]
fn ctrl_c_takes_a_half_made_backup_along() {
    let place = Place::new();
    // What does not compress keeps the highest level busy for seconds.
    place.write("memory/noise", noise(24 << 20));
    let mut create = place.command("backup create --level 19").spawn().unwrap();
    let partial = |place: &Place| {
        let names = place.join("backups").read_dir().into_iter().flatten().flatten();
        names.filter(|item| item.file_name().to_string_lossy().contains("partial")).count()
    };
    while partial(&place) == 0 {
        assert!(create.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::yield_now();
    }
    tell(&create, "-INT");
    assert_eq!(create.wait().unwrap().code(), Some(130));
    assert_eq!(partial(&place), 0, "{:?}", place.names("backups"));
    assert_eq!(place.json("backup list")["backups"], serde_json::json!([]));
}

#[test]
fn ctrl_c_takes_the_temporary_directory_of_the_tour_along() {
    let place = Place::new();
    let text: String = (0..5_000).map(|i| format!("# Heading {i}\n\nText {i}.\n\n")).collect();
    place.write("texts/long.md", text);
    std::fs::create_dir(place.join("temporary")).unwrap();
    let mut tour = place
        .command("tour --from texts")
        .env("TMPDIR", place.join("temporary"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It has begun when it says what it is about to do.
    BufReader::new(tour.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    assert_eq!(place.names("temporary").len(), 1);
    tell(&tour, "-INT");
    assert_eq!(tour.wait().unwrap().code(), Some(130));
    assert_eq!(place.names("temporary"), [""; 0]);
}

#[test]
fn ctrl_c_ends_the_calls_of_the_tour_in_the_middle_of_a_wait() {
    let place = Place::new();
    place.write("texts/one.md", "# One\n\nText.\n");
    std::fs::create_dir(place.join("temporary")).unwrap();
    let mut tour = place
        .command("tour --from texts")
        .env("TMPDIR", place.join("temporary"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tour.stdout.take().unwrap()).lines().map(Result::unwrap);
    let waits = lines.find(|line| line.contains("asked to stay away for 1.0 s"));
    assert!(waits.is_some_and(|line| line.contains("call 4")));
    tell(&tour, "-INT");
    assert_eq!(tour.wait().unwrap().code(), Some(130));
    assert_eq!(lines.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(place.names("temporary"), [""; 0]);
}

/// Runs a script that may mount: as root in a namespace of its own, or as
/// anybody with a root of one's own.
fn run_with_mounts(place: &Place, script: &str, name: &str) -> Result<String, String> {
    let mut reasons = String::new();
    for namespaces in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let ran = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", script])
            .current_dir(place.path())
            .env("LYRA", env!("CARGO_BIN_EXE_lyra"))
            .env("NAME", name)
            .output();
        match ran {
            Ok(ran) if ran.status.success() => {
                return Ok(String::from_utf8(ran.stdout).unwrap());
            }
            Ok(ran) => reasons += String::from_utf8_lossy(&ran.stderr).trim(),
            Err(error) => reasons += &error.to_string(),
        }
    }
    Err(format!("no file system can be mounted: {}", reasons.replace('\n', "; ")))
}

/// An import that is halted after its first commit: it holds the store until
/// it is ended.
fn halted_writer(place: &Place) -> Child {
    write_entries(place, 20_000);
    let mut child = place
        .command("memory import in.jsonl --dimension 8")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "committed 500 entries\n");
    tell(&child, "-STOP");
    assert!(child.try_wait().unwrap().is_none(), "it was done before it was halted");
    // Kept open, or it would be told that nobody listens.
    child.stderr = Some(stderr.into_inner());
    child
}

fn tell(child: &Child, signal: &str) {
    let told = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(told.success());
}

fn killed_after(mut child: Child, microseconds: u64) {
    busy(microseconds);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn with_entries(count: usize) -> Place {
    let place = Place::new();
    write_entries(&place, count);
    place.done("memory import in.jsonl --dimension 8");
    place
}

fn write_entries(place: &Place, count: usize) {
    let mut text = String::new();
    for i in 0..count {
        let entry =
            json!({ "id": format!("e{i}"), "kind": "fact", "content": format!("Entry {i}.") });
        writeln!(text, "{entry}").unwrap();
    }
    place.write("in.jsonl", text);
}

/// Bytes that no compression shortens.
fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::seeded("noise");
    (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}
