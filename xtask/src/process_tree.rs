//! Ending a command with all that it has started.
//!
//! Not by a process group: whoever presses Ctrl-C means the command too, and a
//! terminal tells its own group alone.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command};

/// Kills a child that was not waited for yet, and its descendants where the
/// system tells who they are.
pub(crate) fn kill(child: &mut Child) {
    let mut found = BTreeSet::from([child.id()]);
    loop {
        // Stopped before they are counted, so that none starts another
        // meanwhile, and before any is killed, whose children would then be
        // anybody's.
        signal("STOP", &found);
        let all = with_descendants(&found, &parents());
        if all == found {
            break;
        }
        found = all;
    }
    signal("KILL", &found);
    // Where there is no shell to do it. An error means that it is over.
    let _ = child.kill();
}

/// By the shell, because the call itself is one that safe code cannot make.
fn signal(name: &str, processes: &BTreeSet<u32>) {
    let numbers = processes.iter().map(u32::to_string);
    let words = ["kill".to_owned(), format!("-{name}")].into_iter().chain(numbers);
    let line = words.collect::<Vec<_>>().join(" ");
    // One that has ended already makes it complain, and nothing else can.
    let _ = Command::new("sh").args(["-c", &format!("{line} 2>/dev/null")]).status();
}

/// Every process with its parent; none where there is no `/proc`.
fn parents() -> Vec<(u32, u32)> {
    let stats = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|folder| {
        let process: u32 = folder.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(folder.path().join("stat")).ok()?;
        Some((process, parent(&stat)?))
    });
    stats.collect()
}

/// Reads `12 (name) S 1 …`, where the name may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn with_descendants(processes: &BTreeSet<u32>, parents: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut all = processes.clone();
    loop {
        let children = parents.iter().filter(|(_, parent)| all.contains(parent));
        let more: BTreeSet<u32> = children.map(|(process, _)| *process).collect();
        if more.is_subset(&all) {
            return all;
        }
        all.extend(more);
    }
}

/// Whether a process still runs; one that merely waits to be asked for its end
/// does not.
#[cfg(test)]
pub(crate) fn is_alive(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (cargo) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) b (c) R 8 1"), Some(8));
        assert_eq!(parent(""), None);
    }

    #[test]
    fn descendants_are_found_in_whatever_order_they_are_told() {
        let parents = [(5, 4), (4, 3), (3, 1), (2, 1), (9, 5)];
        let found = with_descendants(&BTreeSet::from([3]), &parents);
        assert_eq!(found, BTreeSet::from([3, 4, 5, 9]));
    }

    #[test]
    fn this_very_process_is_told_with_its_parent() {
        let own = std::process::id();
        assert!(parents().iter().any(|(process, parent)| *process == own && *parent > 0));
        assert!(is_alive(&own.to_string()));
    }
}
