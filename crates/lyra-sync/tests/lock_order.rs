//! Possible deadlocks are told though they do not happen.
#![cfg(feature = "lock-order")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::thread;
use std::time::{Duration, Instant};

use lyra_sync::{LockOrderReport, TimeoutLock, lock_order_reports};

/// The reports in which all of these locks take part. Tests run side by side,
/// and the graph is one for the process.
fn reports_with(names: &[&str]) -> Vec<LockOrderReport> {
    let named = |report: &LockOrderReport| {
        names.iter().all(|name| report.edges().any(|edge| edge.held.as_str() == *name))
    };
    lock_order_reports().into_iter().filter(named).collect()
}

fn both(first: &TimeoutLock<()>, second: &TimeoutLock<()>) {
    let _first = first.lock().unwrap();
    let _second = second.lock().unwrap();
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
fn a_circle_over_an_order_that_closed_another_is_told() {
    let [a, b, c, d] =
        ["over-a", "over-b", "over-c", "over-d"].map(|name| TimeoutLock::named(name, ()));
    both(&a, &b);
    both(&b, &a);
    assert_eq!(reports_with(&["over-a", "over-b"]).len(), 1);
    both(&a, &c);
    assert!(reports_with(&["over-c"]).is_empty());
    both(&c, &b); // over the order that was told: a, c, b, a
    assert_eq!(reports_with(&["over-a", "over-b", "over-c"]).len(), 1);
    both(&a, &d);
    both(&d, &c); // a, d, c, b, a
    let reports = reports_with(&["over-a", "over-b", "over-c", "over-d"]);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].edges().count(), 4);
}

#[test]
fn all_circles_of_the_fewest_locks_that_an_order_closes_are_told() {
    let [a, b, c, d] =
        ["few-a", "few-b", "few-c", "few-d"].map(|name| TimeoutLock::named(name, ()));
    let e = TimeoutLock::named("few-e", ());
    for (first, second) in [(&a, &b), (&b, &d), (&a, &c), (&c, &d), (&c, &e), (&e, &d)] {
        both(first, second);
    }
    both(&d, &a);
    let lengths: Vec<_> =
        reports_with(&["few-a", "few-d"]).iter().map(|r| r.edges().count()).collect();
    assert_eq!(lengths, [3, 3]);
    assert_eq!(reports_with(&["few-b"]).len(), 1);
    assert_eq!(reports_with(&["few-c"]).len(), 1);
}

#[test]
fn one_order_that_is_wrong_is_no_flood() {
    let names = (0..30).map(|index| format!("flood-{index}"));
    let locks: Vec<_> = names.map(|name| TimeoutLock::named(name, ())).collect();
    both(&locks[29], &locks[0]);
    for (index, first) in locks.iter().enumerate() {
        // The longest way first, so that each of them closes a circle.
        locks[index + 1..].iter().rev().for_each(|second| both(first, second));
    }
    let reports = reports_with(&["flood-0", "flood-29"]);
    assert!((2..=8).contains(&reports.len()), "{} reports", reports.len());
    assert!(reports.iter().any(|report| report.edges().count() == 2));
    // What has nothing to do with it is told all the same, and so are two
    // locks in two orders.
    both(&locks[9], &locks[8]);
    assert_eq!(reports_with(&["flood-8", "flood-9"]).len(), 1);
}

#[test]
fn a_circle_from_other_places_is_the_same() {
    let (a, b) = (TimeoutLock::named("same-a", ()), TimeoutLock::named("same-b", ()));
    both(&a, &b);
    both(&b, &a);
    let (_b, _a) = (b.lock().unwrap(), a.lock().unwrap());
    assert_eq!(reports_with(&["same-a"]).len(), 1);
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

#[test]
fn a_name_is_its_text_whoever_owns_it() {
    let (a, b) = (TimeoutLock::named("text-a", ()), TimeoutLock::named("text-b", ()));
    let (also_a, also_b) =
        (TimeoutLock::named("text-a".to_owned(), ()), TimeoutLock::named("text-b".to_owned(), ()));
    both(&a, &b);
    both(&also_b, &also_a);
    assert_eq!(reports_with(&["text-a", "text-b"]).len(), 1);
}

#[test]
fn without_time_to_wait_a_lock_is_not_asked_for() {
    let (a, b) = (TimeoutLock::named("zero-a", ()), TimeoutLock::named("zero-b", ()));
    {
        let _a = a.lock().unwrap();
        let _b = b.lock_for(Duration::ZERO).unwrap();
    }
    {
        let _b = b.lock().unwrap();
        let _a = a.lock_for(Duration::ZERO).unwrap();
    }
    assert!(reports_with(&["zero-a", "zero-b"]).is_empty());
}

#[test]
fn of_many_locks_that_are_held_the_latest_are_looked_at() {
    let locks: Vec<_> = (0..2_000).map(|_| TimeoutLock::named("many", ())).collect();
    let last = TimeoutLock::named("last", ());
    let begin = Instant::now();
    let held: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
    let held_last = last.lock().unwrap();
    drop((held, held_last));
    both(&last, &locks[7]);
    assert_eq!(reports_with(&["many", "last"]).len(), 1);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}
