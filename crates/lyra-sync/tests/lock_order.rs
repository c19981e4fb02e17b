//! Possible deadlocks are told though they do not happen.
#![cfg(feature = "lock-order")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::thread;

use lyra_sync::{LockOrderReport, TimeoutLock, lock_order_reports};

/// The reports in which all of these locks take part. Tests run side by side,
/// and the graph is one for the process.
fn reports_with(names: &[&str]) -> Vec<LockOrderReport> {
    let named = |report: &LockOrderReport| {
        names.iter().all(|name| report.edges().any(|edge| edge.held.as_str() == *name))
    };
    lock_order_reports().into_iter().filter(named).collect()
}

#[test]
fn two_locks_in_two_orders_are_told_with_both_places() {
    let (a, b) = (TimeoutLock::named("order-a", ()), TimeoutLock::named("order-b", ()));
    let first = line!() + 2;
    {
        let _a = a.lock().unwrap();
        let _b = b.lock().unwrap();
    }
    assert!(reports_with(&["order-a"]).is_empty(), "one order alone is none");
    let second = line!() + 2;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _b = b.lock().unwrap();
            let _a = a.lock().unwrap();
        });
    });
    let reports = reports_with(&["order-a", "order-b"]);
    assert_eq!(reports.len(), 1);
    let edges: Vec<_> = reports[0].edges().collect();
    let lines: Vec<_> =
        edges.iter().map(|edge| (edge.held_since.line(), edge.asked_at.line())).collect();
    assert_eq!(lines, [(second + 1, second + 2), (first, first + 1)]);
    let text = reports[0].to_string();
    assert!(text.starts_with("possible deadlock, locks taken in different orders:\n"), "{text}");
    assert!(text.contains("`order-a` asked for at ") && text.contains("holding `order-b`"));
}

#[test]
fn a_circle_over_three_locks_is_told_once() {
    let [a, b, c] = ["three-a", "three-b", "three-c"].map(|name| TimeoutLock::named(name, ()));
    let both = |first: &TimeoutLock<()>, second: &TimeoutLock<()>| {
        let _first = first.lock().unwrap();
        let _second = second.lock().unwrap();
    };
    both(&a, &b);
    both(&b, &c);
    for _ in 0..3 {
        both(&c, &a);
    }
    let reports = reports_with(&["three-a", "three-b", "three-c"]);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].edges().count(), 3);
}

#[test]
fn one_order_however_often_is_none() {
    let [a, b, c] = ["calm-a", "calm-b", "calm-c"].map(|name| TimeoutLock::named(name, ()));
    for _ in 0..10 {
        let _a = a.lock().unwrap();
        let b = b.lock().unwrap();
        let _c = c.lock().unwrap();
        drop(b);
    }
    let _c = c.lock().unwrap();
    drop(a.try_lock().unwrap()); // to try does not wait, so it can't deadlock
    assert!(reports_with(&["calm-a"]).is_empty());
}

#[test]
fn an_order_is_learnt_from_any_lock_of_a_name() {
    let pair = || (TimeoutLock::named("class-a", ()), TimeoutLock::named("class-b", ()));
    let ((a, b), (other_a, other_b)) = (pair(), pair());
    {
        let _a = a.lock().unwrap();
        let _b = b.lock().unwrap();
    }
    let _b = other_b.lock().unwrap();
    let _a = other_a.lock().unwrap();
    assert_eq!(reports_with(&["class-a", "class-b"]).len(), 1);
}

#[test]
fn two_locks_of_one_name_have_an_order_among_themselves() {
    let (parent, child) = (TimeoutLock::named("node", 1), TimeoutLock::named("node", 2));
    {
        let _parent = parent.lock().unwrap();
        let _child = child.lock().unwrap();
    }
    assert!(reports_with(&["node"]).is_empty());
    let _child = child.lock().unwrap();
    let _parent = parent.lock().unwrap();
    assert_eq!(reports_with(&["node"]).len(), 1);
}

#[test]
fn locks_without_a_name_take_no_part() {
    let (a, b) = (TimeoutLock::new(()), TimeoutLock::new(()));
    {
        let _a = a.lock().unwrap();
        let _b = b.lock().unwrap();
    }
    let _b = b.lock().unwrap();
    let _a = a.lock().unwrap();
    assert!(reports_with(&["unnamed"]).is_empty());
}
