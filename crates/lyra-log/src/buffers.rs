//! What a thread keeps from one line to the next, so that a line costs no
//! allocation.

use std::cell::Cell;

use crate::fields::Placed;
use crate::key::KnownKeys;
use crate::stamp::Clock;

/// Above this a buffer goes back after the line that needed it.
const KEPT: usize = 64 * 1024;

/// How often a value may log while it is logged, before its text is left out:
/// one that logs itself would do so for ever.
const DEEPEST: u8 = 4;

#[derive(Debug)]
pub(crate) struct Buffers {
    /// The line, with a gap at its beginning.
    pub(crate) line: Vec<u8>,
    /// What goes into the gap.
    pub(crate) head: Vec<u8>,
    /// A value while it is rendered.
    pub(crate) text: String,
    /// The fields that the line has.
    pub(crate) placed: Vec<Placed>,
    pub(crate) known: KnownKeys,
    pub(crate) clock: Clock,
    /// Whether values are rendered at all, so deep inside one another.
    pub(crate) renders: bool,
}

thread_local! {
    static BUFFERS: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
    static DEPTH: Cell<u8> = const { Cell::new(0) };
}

/// Runs `work` with the thread's buffers, or with fresh ones where they are in
/// use below this call or the thread is about to end.
pub(crate) fn with<R>(work: impl FnOnce(&mut Buffers) -> R) -> R {
    let kept = BUFFERS.try_with(Cell::take).ok().flatten();
    let mut buffers = kept.unwrap_or_else(|| Box::new(Buffers::new()));
    let depth = Depth::enter();
    buffers.renders = depth.0 < DEEPEST;
    let result = work(&mut buffers);
    drop(depth);
    buffers.clear();
    let _ = BUFFERS.try_with(|kept| kept.set(Some(buffers)));
    result
}

impl Buffers {
    const fn new() -> Self {
        Self {
            line: Vec::new(),
            head: Vec::new(),
            text: String::new(),
            placed: Vec::new(),
            known: KnownKeys::new(),
            clock: Clock::new(),
            renders: true,
        }
    }

    fn clear(&mut self) {
        self.line.clear();
        self.head.clear();
        self.text.clear();
        self.placed.clear();
        self.line.shrink_to(KEPT);
        self.text.shrink_to(KEPT);
    }
}

/// How many calls are below this one; also right after a panic.
struct Depth(u8);

impl Depth {
    fn enter() -> Self {
        // Const and without a destructor, so it is there until the very end.
        let depth = DEPTH.get();
        DEPTH.set(depth.saturating_add(1));
        Self(depth)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}
