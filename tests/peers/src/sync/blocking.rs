//! A lock for threads, which is free.

use std::hint::black_box;
use std::sync::Mutex;

use lyra_sync::TimeoutLock;

use super::{AREA, TIMEOUT, repeat};
use crate::harness::Group;

const FREE: &str = "nobody else locks";

pub(super) fn lock() -> Group {
    let tracked = TimeoutLock::named("peers", 0_u64).with_timeout(TIMEOUT);
    let untracked = TimeoutLock::named("peers", 0_u64).with_timeout(TIMEOUT).without_tracking();
    let std = Mutex::new(0_u64);
    let parking_lot = parking_lot::Mutex::new(0_u64);
    let parking_lot_with_timeout = parking_lot::Mutex::new(0_u64);
    Group::new(AREA, "lock, free, blocking")
        .ours("", repeat(move || *black_box(&tracked).lock().expect(FREE) += 1))
        .ours("without tracking", {
            repeat(move || *black_box(&untracked).lock().expect(FREE) += 1)
        })
        .peer("std Mutex", repeat(move || *black_box(&std).lock().expect(FREE) += 1))
        .peer("parking_lot with timeout", {
            repeat(move || {
                let lock = black_box(&parking_lot_with_timeout);
                *lock.try_lock_for(TIMEOUT).expect(FREE) += 1;
            })
        })
        .peer("parking_lot", repeat(move || *black_box(&parking_lot).lock() += 1))
}
