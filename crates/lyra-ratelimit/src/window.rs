//! The strict quota: every grant of the last window is remembered, so that no
//! window, wherever it is laid, sees more than the amount.

use std::collections::VecDeque;

/// The grants of the last window.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    most: u64,
    window: u64,
    /// When, and how much; oldest first. Grants of one instant are one entry.
    grants: VecDeque<(u64, u64)>,
    used: u64,
}

impl Window {
    pub(crate) const fn new(most: u64, window: u64) -> Self {
        Self { most, window, grants: VecDeque::new(), used: 0 }
    }

    pub(crate) const fn most(&self) -> u64 {
        self.most
    }

    /// The same grants under another quota.
    pub(crate) fn set(&mut self, most: u64, window: u64) {
        // Grants that a shorter window let go are gone; those that are here
        // are counted from now on.
        (self.most, self.window) = (most, window);
    }

    /// When `cost` fits into the window, if nothing else is granted before.
    pub(crate) fn ready_at(&self, now: u64, cost: u64) -> u64 {
        if cost > self.most {
            return u64::MAX; // never
        }
        let mut used = self.used;
        let mut ready = now;
        for (at, count) in &self.grants {
            let expires = at.saturating_add(self.window);
            if used.saturating_add(cost) <= self.most && expires > now {
                break;
            }
            used -= count;
            ready = ready.max(expires);
        }
        ready
    }

    /// Counts a grant, also where it does not fit.
    pub(crate) fn charge(&mut self, now: u64, cost: u64) {
        self.forget(now);
        // The sum fits into its type, whatever was overdrawn.
        let cost = cost.min(u64::MAX - self.used);
        self.used += cost;
        match self.grants.back_mut() {
            Some((at, count)) if *at >= now => *count = count.saturating_add(cost),
            _ if cost > 0 => self.grants.push_back((now, cost)),
            _ => {}
        }
    }

    /// Gives back `cost` of what was granted at `at`: there, and where that
    /// has left the window already, nowhere.
    pub(crate) fn refund(&mut self, at: u64, cost: u64) {
        let Ok(index) = self.grants.binary_search_by_key(&at, |(at, _)| *at) else { return };
        let (_, count) = &mut self.grants[index];
        let back = cost.min(*count);
        *count -= back;
        self.used -= back;
        if *count == 0 {
            self.grants.remove(index);
        }
    }

    /// How many were granted in the window that ends now.
    pub(crate) fn taken(&self, now: u64) -> u64 {
        let over = self.grants.iter().take_while(|(at, _)| self.is_over(*at, now));
        self.used - over.map(|(_, count)| count).sum::<u64>()
    }

    /// How many more fit into the window that ends now.
    pub(crate) fn available(&self, now: u64) -> u64 {
        self.most.saturating_sub(self.taken(now))
    }

    /// Forgets the grants that no window reaches any more.
    pub(crate) fn forget(&mut self, now: u64) {
        while let Some((at, count)) = self.grants.front().copied() {
            if !self.is_over(at, now) {
                break;
            }
            self.used -= count;
            self.grants.pop_front();
        }
    }

    /// Brings grants that lie ahead of a clock which was set back to now.
    pub(crate) fn mend(&mut self, now: u64) {
        let ahead = self.grants.back().map_or(0, |(at, _)| at.saturating_sub(now));
        if ahead > 0 {
            for (at, _) in &mut self.grants {
                *at = at.saturating_sub(ahead);
            }
        }
    }

    const fn is_over(&self, at: u64, now: u64) -> bool {
        at.saturating_add(self.window) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_sees_more_than_the_amount() {
        let mut window = Window::new(3, 100);
        for at in [0, 40, 90] {
            assert_eq!(window.ready_at(at, 1), at);
            window.charge(at, 1);
        }
        assert_eq!(window.ready_at(95, 1), 100);
        assert_eq!(window.ready_at(95, 2), 140);
        assert_eq!(window.ready_at(95, 3), 190);
        assert_eq!((window.available(95), window.available(100), window.available(190)), (0, 1, 3));
    }

    #[test]
    fn what_is_given_back_is_taken_out_where_it_was_granted() {
        let mut window = Window::new(3, 100);
        window.charge(0, 2);
        window.charge(50, 1);
        window.refund(0, 1);
        assert_eq!(window.available(60), 1);
        window.refund(7, 1);
        assert_eq!(window.available(60), 1, "nothing was granted at 7");
        window.refund(50, 5);
        assert_eq!(window.available(60), 2);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_window_at_most() {
        let mut window = Window::new(2, 100);
        window.charge(1_000_000, 1);
        window.charge(1_000_040, 1);
        window.mend(500);
        assert_eq!((window.ready_at(500, 1), window.ready_at(500, 2)), (560, 600));
    }
}
