//! The process-wide store and limits: the first one stays.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use lyra_errors::{AlreadySet, Error};
use lyra_memstore::{
    Limits, MemoryStore, global_limits, set_global, set_global_limits, try_global,
};

#[test]
fn the_first_value_stays_and_the_loser_is_handed_back() {
    let dir = tempfile::tempdir().unwrap();
    assert!(try_global().is_none());
    set_global(MemoryStore::open(dir.path().join("first")).unwrap()).unwrap();
    let AlreadySet(loser) =
        set_global(MemoryStore::open(dir.path().join("second")).unwrap()).unwrap_err();
    assert!(loser.directory().ends_with("second"));
    assert!(try_global().unwrap().directory().ends_with("first"));

    assert_eq!(global_limits(), &Limits::default());
    let late = set_global_limits(Limits::default()).unwrap_err();
    assert_eq!(Error::from(late).code().id(), "errors.already_set");
}
