//! An allocator that counts what the calling thread allocates. One for the
//! tests of all crates that promise to allocate nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; the
// counter is a constant-initialised thread-local, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, so from the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread has allocated so far.
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) fn so_far() -> u64 {
    COUNT.get()
}

/// How often `run` allocates.
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) fn allocations(run: impl FnOnce()) -> u64 {
    let before = so_far();
    run();
    so_far() - before
}
