//! Which process is which, and whether it is still there.

use std::fs;

/// This process, as its rows name it.
pub(crate) fn own() -> (u32, u64) {
    let pid = std::process::id();
    (pid, started(pid).unwrap_or_default())
}

/// Whether the process that has this number and started then still lives. A
/// number is given to another process sooner or later, so it is not enough.
pub(crate) fn lives(pid: u32, since: u64) -> bool {
    started(pid) == Some(since)
}

/// When a process started, in ticks since boot; none if it is gone. One that
/// was killed and that nobody has waited for yet has given its memory back.
fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // A name may hold spaces and brackets; what follows the last one does not.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_lives_until_it_was_killed_also_while_nobody_waits_for_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let since = started(child.id()).unwrap();
        assert!(lives(child.id(), since));
        assert!(!lives(child.id(), since + 1), "another one took its number");
        child.kill().unwrap();
        while lives(child.id(), since) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn this_process_lives() {
        let (pid, since) = own();
        assert!(since > 0 && lives(pid, since));
    }
}
