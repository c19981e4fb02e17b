//! The output of a future that is ready, without a runtime.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls once. It would be an error in a case to measure a wait.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a call that was to be ready at once has to wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_has_an_output() {
        assert_eq!(at_once(async { 7 }), 7);
    }

    #[test]
    #[should_panic(expected = "has to wait")]
    fn what_waits_is_no_measurement() {
        at_once(std::future::pending::<()>());
    }
}
