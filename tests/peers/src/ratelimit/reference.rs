//! A token bucket behind a mutex, as one writes it who takes no crate.

use std::sync::Mutex;
use std::time::Instant;

use super::quota::Quota;

pub(super) struct MutexBucket {
    per_second: f64,
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl MutexBucket {
    pub(super) fn new(quota: Quota) -> Self {
        let per_second = f64::from(quota.tokens) / quota.period.as_secs_f64();
        let burst = f64::from(quota.burst);
        Self { per_second, burst, state: Mutex::new((burst, Instant::now())) }
    }

    pub(super) fn try_acquire(&self) -> bool {
        let mut state = self.state.lock().expect("nobody panics with it");
        let now = Instant::now();
        let refill = (now - state.1).as_secs_f64() * self.per_second;
        *state = ((state.0 + refill).min(self.burst), now);
        let is_granted = state.0 >= 1.0;
        state.0 -= if is_granted { 1.0 } else { 0.0 };
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_its_burst_and_then_refuses() {
        let bucket = MutexBucket::new(Quota { burst: 3, ..Quota::EMPTY });
        assert_eq!([(); 5].map(|()| bucket.try_acquire()), [true, true, true, false, false]);
    }
}
