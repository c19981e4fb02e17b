//! What the graph of orders keeps is bounded.
#![cfg(feature = "lock-order")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::atomic::{AtomicUsize, Ordering};

use lyra_sync::{TimeoutLock, lock_order_reports, on_lock_order_report};

// One test, since the graph and its reports are one for the process.
#[test]
fn a_thousand_names_are_watched_and_64_reports_are_kept() {
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    assert!(on_lock_order_report(|_| {
        TOLD.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(!on_lock_order_report(|_| ()), "the first handler stays");
    let named = |name: String| TimeoutLock::named(name, ());
    let both = |first: &TimeoutLock<()>, second: &TimeoutLock<()>| {
        let _first = first.lock().unwrap();
        let _second = second.lock().unwrap();
    };
    let outer = named("outer".into());
    for index in 0..70 {
        let inner = named(format!("inner-{index}"));
        both(&outer, &inner);
        both(&inner, &outer);
    }
    assert_eq!((lock_order_reports().len(), TOLD.load(Ordering::Relaxed)), (64, 70));

    // Locks that are made at run time with names of their own, each after the
    // one before: what is kept for a name is looked through again and again.
    let mut before = named("first".into());
    for index in 0..100_000 {
        let next = named(format!("generated-{index}"));
        both(&next, &before);
        before = next;
    }
    assert_eq!(TOLD.load(Ordering::Relaxed), 70);
    let (known, late) = (named("generated-1".into()), named("generated-99999".into()));
    both(&named("late".into()), &late);
    both(&late, &named("late".into()));
    assert_eq!(TOLD.load(Ordering::Relaxed), 70, "these are too many names to watch");
    both(&named("generated-0".into()), &known);
    assert_eq!(TOLD.load(Ordering::Relaxed), 71, "what is watched stays so");
}
