//! What the sources take from tokio: its semaphore, before each use of which
//! others may run; and in the place of its timer and its tasks a clock that the
//! tests move, and tasks of shuttle's.

pub(crate) mod runtime {
    pub(crate) struct Handle;

    impl Handle {
        pub(crate) fn try_current() -> Result<Self, ()> {
            Ok(Self)
        }

        #[allow(clippy::unused_self, reason = "as tokio's")]
        pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            drop(shuttle::future::spawn(task));
        }
    }
}

pub(crate) mod sync {
    use std::ops::Deref;

    pub(crate) use real_tokio::sync::{AcquireError, Notify, SemaphorePermit, TryAcquireError};

    use crate::atomics::switch;

    pub(crate) struct Semaphore(real_tokio::sync::Semaphore);

    impl Semaphore {
        pub(crate) const MAX_PERMITS: usize = real_tokio::sync::Semaphore::MAX_PERMITS;

        pub(crate) fn new(permits: usize) -> Self {
            Self(real_tokio::sync::Semaphore::new(permits))
        }
    }

    impl Deref for Semaphore {
        type Target = real_tokio::sync::Semaphore;

        fn deref(&self) -> &Self::Target {
            switch();
            &self.0
        }
    }
}

pub(crate) mod task {
    pub(crate) use real_tokio::task::{Id, consume_budget, try_id, unconstrained};
}

pub(crate) mod time {
    use std::cell::RefCell;
    use std::ops::Add;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use crate::atomics::switch;

    /// A time of the clock.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct Instant(Duration);

    struct Clock {
        now: Instant,
        calls: Vec<(Instant, Waker)>,
    }

    // All that shuttle runs by turns is one thread of the system.
    thread_local! {
        static CLOCK: RefCell<Clock> = const {
            RefCell::new(Clock { now: Instant(Duration::ZERO), calls: Vec::new() })
        };
    }

    /// Nobody waits any more.
    pub(crate) fn start() {
        CLOCK.with_borrow_mut(|clock| clock.calls.clear());
    }

    /// Calls those whose time has come.
    pub(crate) fn pass(time: Duration) {
        let due: Vec<_> = CLOCK.with_borrow_mut(|clock| {
            clock.now = clock.now + time;
            clock.calls.extract_if(.., |(at, _)| *at <= clock.now).collect()
        });
        for (_, waker) in due {
            switch();
            waker.wake();
        }
    }

    pub(crate) fn call_at(at: Instant, waker: &Waker) {
        CLOCK.with_borrow_mut(|clock| clock.calls.push((at, waker.clone())));
    }

    impl Instant {
        pub(crate) fn now() -> Self {
            CLOCK.with_borrow(|clock| clock.now)
        }

        pub(crate) fn elapsed(self) -> Duration {
            Self::now().saturating_duration_since(self)
        }

        pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
            self.0.saturating_sub(earlier.0)
        }
    }

    impl Add<Duration> for Instant {
        type Output = Self;

        fn add(self, time: Duration) -> Self {
            Self(self.0 + time)
        }
    }

    #[derive(Debug)]
    pub(crate) struct Sleep(Instant);

    pub(crate) fn sleep_until(at: Instant) -> Sleep {
        Sleep(at)
    }

    pub(crate) fn sleep(time: Duration) -> Sleep {
        Sleep(Instant::now() + time)
    }

    impl Sleep {
        pub(crate) fn deadline(&self) -> Instant {
            self.0
        }

        pub(crate) fn reset(mut self: Pin<&mut Self>, at: Instant) {
            self.0 = at;
        }
    }

    impl Future for Sleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            switch();
            if Instant::now() >= self.0 {
                return Poll::Ready(());
            }
            call_at(self.0, context.waker());
            Poll::Pending
        }
    }

    #[derive(Debug)]
    pub(crate) struct Elapsed;

    pub(crate) struct Timeout<F> {
        future: Pin<Box<F>>,
        sleep: Sleep,
    }

    pub(crate) fn timeout_at<F: Future>(at: Instant, future: F) -> Timeout<F> {
        Timeout { future: Box::pin(future), sleep: sleep_until(at) }
    }

    pub(crate) fn timeout<F: Future>(time: Duration, future: F) -> Timeout<F> {
        timeout_at(Instant::now() + time, future)
    }

    impl<F: Future> Future for Timeout<F> {
        type Output = Result<F::Output, Elapsed>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            if let Poll::Ready(done) = self.future.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            Pin::new(&mut self.sleep).poll(context).map(|()| Err(Elapsed))
        }
    }
}
