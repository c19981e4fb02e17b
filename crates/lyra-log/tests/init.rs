//! The log of a whole process: a test program of its own, as there can be only one.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;

use lyra_errors::Classify as _;
use lyra_log::builder;

#[test]
fn a_process_has_one_log_which_tells_its_panics() {
    let dir = tempfile::tempdir().unwrap();
    let guard = builder("agent").with_dir(dir.path()).init().unwrap();
    let again = builder("other").with_dir(dir.path()).init().unwrap_err();
    assert_eq!(again.code().id(), "log.already_installed");
    assert!(!dir.path().join("other.log").exists(), "nothing is left behind");
    let secret = "password=hunter2";
    std::thread::spawn(move || panic!("out of ideas, {secret}")).join().unwrap_err();
    let errors = fs::read_to_string(dir.path().join("agent_errors.log")).unwrap();
    assert!(errors.contains("out of ideas") && errors.contains("tests/init.rs"), "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
    drop(guard);
}
