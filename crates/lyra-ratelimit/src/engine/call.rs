//! A call on its way that is carried to its end, whoever goes away meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Takes over a call whose caller went away.
pub(super) type HandOver<T> = Box<dyn FnOnce(Boxed<T>) + Send>;

/// A call of an engine. Dropped before its end, it is handed over.
///
/// It is one allocation a call. A task for each call would be the other way to
/// outlive its caller, and costs several and a switch.
pub(super) struct Call<T, F: FnOnce(Boxed<T>) + Unpin> {
    call: Option<Boxed<T>>,
    hand_over: Option<F>,
    has_begun: bool,
}

impl<T, F: FnOnce(Boxed<T>) + Unpin> Call<T, F> {
    pub(super) fn new(call: impl Future<Output = T> + Send + 'static, hand_over: F) -> Self {
        Self { call: Some(Box::pin(call)), hand_over: Some(hand_over), has_begun: false }
    }

    /// One that is carried to its end also if nobody ever polls it.
    pub(super) fn begun(call: impl Future<Output = T> + Send + 'static, hand_over: F) -> Self {
        let mut begun = Self::new(call, hand_over);
        begun.has_begun = true;
        begun
    }
}

impl<T, F: FnOnce(Boxed<T>) + Unpin> Future for Call<T, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        // It is out while it is polled: one that panicked is not polled again.
        let Some(mut call) = self.call.take() else { return Poll::Pending };
        let polled = call.as_mut().poll(context);
        if polled.is_pending() {
            self.call = Some(call);
        }
        polled
    }
}

impl<T, F: FnOnce(Boxed<T>) + Unpin> Drop for Call<T, F> {
    fn drop(&mut self) {
        // Another that was never polled has done nothing.
        if let (true, Some(call), Some(hand_over)) =
            (self.has_begun, self.call.take(), self.hand_over.take())
        {
            hand_over(call);
        }
    }
}
