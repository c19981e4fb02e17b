//! The host's code where it may panic: when it is called, when a future of its
//! is polled, and when anything of its is dropped. Two panics at once would end
//! the process, so that each is contained alone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a panic carried, in words.
#[derive(Debug)]
pub(super) struct Panicked(Option<String>);

/// Runs code of the host.
pub(super) fn contained<R>(run: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(run)).map_err(Panicked::of)
}

/// Drops something of the host; whether without a panic.
pub(super) fn let_go<T>(thing: T) -> bool {
    contained(|| drop(thing)).is_ok()
}

/// A future of the host, which is dropped as soon as it is done.
pub(super) struct Contained<F: Future>(Option<Pin<Box<F>>>);

impl<F: Future> Contained<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Ready(Err(Panicked(None))) };
        let polled = match contained(|| future.as_mut().poll(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panicked) => Err(panicked),
        };
        let_go(self.0.take());
        Poll::Ready(polled)
    }
}

impl<F: Future> Drop for Contained<F> {
    fn drop(&mut self) {
        let_go(self.0.take());
    }
}

impl Panicked {
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        // What it carries may panic in turn; what that carries is let be.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
        Self(text)
    }

    pub(super) fn text(&self) -> &str {
        self.0.as_deref().unwrap_or("without a word")
    }
}
