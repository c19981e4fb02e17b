#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use super::*;

/// A resource is no more than its slot.
#[derive(Debug)]
struct Res(usize);

impl InSlot for Res {
    fn slot(&self) -> usize {
        self.0
    }
}

type Tried = State<Res, &'static str>;

const NOTE: Note = Note { location: None, since: None };

#[derive(Default)]
struct Bell(AtomicUsize);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

struct Caller {
    ticket: u64,
    bell: Arc<Bell>,
}

impl Caller {
    fn in_line(state: &mut Tried) -> Self {
        let mut ticket = None;
        assert!(state.take(&mut ticket, NOTE).is_none());
        let ticket = ticket.unwrap();
        assert!(state.take_or_enter(ticket, NOTE).is_none());
        Self { ticket, bell: Arc::default() }
    }

    fn wake(&self) -> Wake {
        Wake::Task(Waker::from(Arc::clone(&self.bell)))
    }

    fn turn(&self, state: &mut Tried, now: Instant) -> Turn<Res, &'static str> {
        state.turn(self.ticket, NOTE, now, false, &mut Some(self.wake()))
    }

    fn makes(&self, state: &mut Tried, now: Instant) -> Making {
        match self.turn(state, now) {
            Turn::Make(making, _) => making,
            other => panic!("{other:?}"),
        }
    }

    fn waits(&self, state: &mut Tried, now: Instant) -> Option<Instant> {
        match self.turn(state, now) {
            Turn::Wait(until) => until,
            other => panic!("{other:?}"),
        }
    }
}

fn state(max_size: usize) -> Tried {
    State::new(max_size, Duration::from_secs(1))
}

#[test]
fn what_is_made_ends_the_pause_and_calls_who_waited_it_out() {
    let (mut state, now) = (state(3), Instant::now());
    let [first, second, third] = [(); 3].map(|()| Caller::in_line(&mut state));
    let made = first.makes(&mut state, now);
    let failing = second.makes(&mut state, now);
    first.waits(&mut state, now);
    drop(state.failed(failing, "as a test wants it", now));
    assert_eq!(third.waits(&mut state, now), Some(now + FIRST_PAUSE));
    drop(state.made(made, Res(made.slot)));
    assert_eq!((first.bell.rung(), third.bell.rung()), (1, 1));
    assert!(matches!(first.turn(&mut state, now), Turn::Take(_)));
    third.makes(&mut state, now);
}

#[test]
fn who_asked_for_what_was_abandoned_asks_again_after_a_pause() {
    let (mut state, now) = (state(1), Instant::now());
    let caller = Caller::in_line(&mut state);
    let making = caller.makes(&mut state, now);
    assert_eq!(caller.waits(&mut state, now), None, "one is being made");
    drop(state.abandoned(making, now));
    assert_eq!((caller.bell.rung(), state.failures_in_a_row()), (1, 1));
    assert_eq!(state.counts.create_failed, 1);
    assert_eq!(caller.waits(&mut state, now), Some(now + FIRST_PAUSE));
    let making = caller.makes(&mut state, now + FIRST_PAUSE);
    drop(state.withdrawn(making));
    assert_eq!((state.counts.create_failed, state.failures_in_a_row()), (1, 1));
    caller.makes(&mut state, now + FIRST_PAUSE);
}

#[test]
fn who_was_handed_one_holds_it_since_it_came_into_line() {
    let (mut state, now) = (state(2), Instant::now());
    let first = Caller::in_line(&mut state);
    let made = first.makes(&mut state, now);
    assert!(state.made(made, Res(made.slot)).1.is_none());
    assert!(matches!(first.turn(&mut state, now), Turn::Take(_)));
    let second = Caller::in_line(&mut state);
    let other = second.makes(&mut state, now);
    assert!(state.made(other, Res(other.slot)).1.is_none());
    assert!(matches!(second.turn(&mut state, now), Turn::Take(_)));
    assert_eq!(state.longest_held().unwrap().mark.serial(), first.ticket);
    let third = Caller::in_line(&mut state);
    third.waits(&mut state, now);
    assert!(state.put(Res(made.slot)).1.is_none());
    assert_eq!(state.slots[made.slot].mark.serial(), third.ticket);
    assert_eq!(state.longest_held().unwrap().mark.serial(), second.ticket);
}

#[test]
fn who_waits_for_the_end_is_called_when_something_goes_and_not_before() {
    let (mut state, now) = (state(1), Instant::now());
    let caller = Caller::in_line(&mut state);
    let made = caller.makes(&mut state, now);
    drop(state.made(made, Res(made.slot)));
    assert!(matches!(caller.turn(&mut state, now), Turn::Take(_)));
    drop(state.close());
    let drainer = state.enter_drainers();
    let mut wake = Some(caller.wake());
    assert!(!state.is_drained(drainer, &mut wake));
    assert!(wake.is_none() && caller.bell.rung() == 0);
    let (_, unwanted) = state.put(Res(made.slot));
    assert!(unwanted.is_some(), "a closed pool keeps nothing");
    drop(state.vacate(made.slot));
    assert_eq!(caller.bell.rung(), 1);
    assert!(state.is_drained(drainer, &mut Some(caller.wake())));
    assert!(state.leave_drainers(drainer).is_none());
}

#[test]
fn a_call_s_number_goes_with_its_resource() {
    let (mut state, now) = (state(1), Instant::now());
    let caller = Caller::in_line(&mut state);
    let made = caller.makes(&mut state, now);
    drop(state.made(made, Res(made.slot)));
    assert!(matches!(caller.turn(&mut state, now), Turn::Take(_)));
    assert_eq!(state.slots[made.slot].mark.serial(), caller.ticket);
    drop(state.vacate(made.slot));
    assert_eq!(state.slots[made.slot].mark.serial(), 0, "it may still wait with that number");
}
