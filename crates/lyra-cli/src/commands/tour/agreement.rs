use std::time::Duration;

use lyra::ratelimit::Quota;

use super::service::{PREFIX, Seen};

/// By how much two clocks may read the same second differently: the limiter's
/// reads the processor's, and the service's asks the system.
const TOLERANCE: Duration = Duration::from_millis(1);

/// A request that was made. Times count from the start of the calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    /// For which call, from 1.
    pub(super) call: u32,
    /// When it went to the limiter.
    pub(super) asked: Duration,
    /// How long the limiter then let it wait for its turn.
    pub(super) turn: Duration,
    /// How fast the limiter then was, in percent of its quota: slower once the
    /// service has complained.
    pub(super) rate_percent: u64,
    /// When the answer was there, or why there was none.
    pub(super) ended: Duration,
    /// The status of the answer, where there was one.
    pub(super) status: Option<u16>,
    /// For how long the service asked to be left alone.
    pub(super) stay_away: Duration,
    /// Until when the limiter, having learnt of that, holds every call back.
    pub(super) held_until: Duration,
    /// The wait before the next attempt, where the retry policy decided for
    /// one.
    pub(super) next_try: Option<Duration>,
}

/// What must hold between calls and the service that they went to.
///
/// No check depends on how busy the machine is: where lateness could make one
/// fail, it compares decisions, or allows for what was measured.
pub(super) struct Agreement<'a> {
    pub(super) quota: Quota,
    pub(super) attempts: &'a [Attempt],
    /// How many calls the limiter granted.
    pub(super) granted: u64,
    pub(super) seen: &'a [Seen],
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) failed: usize,
    pub(super) throttled: usize,
}

impl Agreement<'_> {
    /// How many attempts failed, or the first thing that does not hold.
    pub(super) fn counts(&self) -> Result<Counts, String> {
        self.same_requests()?;
        self.nothing_sent_while_away()?;
        self.waits_were_not_added_up()?;
        self.never_too_fast()?;
        let throttled = |status| status == 429;
        let statuses = || self.attempts.iter().filter_map(|attempt| attempt.status);
        Ok(Counts {
            failed: statuses().filter(|status| *status >= 400 && !throttled(*status)).count(),
            throttled: statuses().filter(|status| throttled(*status)).count(),
        })
    }

    fn same_requests(&self) -> Result<(), String> {
        let (made, seen) = (self.attempts.len(), self.seen.len());
        if made != seen || self.granted != made as u64 {
            let granted = self.granted;
            return Err(format!("{made} calls were made, {granted} granted and {seen} served"));
        }
        for (number, (attempt, seen)) in (1..).zip(self.attempts.iter().zip(self.seen)) {
            let (made, served) = (attempt.status, seen.answer.status());
            let same_call = seen.target == target(attempt.call);
            let same_wait = attempt.stay_away == seen.answer.stay_away();
            if !(same_call && same_wait && made == Some(served)) {
                return Err(format!(
                    "the service answered attempt {number} ({}) with {served}, \
                     and what came was {made:?}",
                    seen.target
                ));
            }
        }
        Ok(())
    }

    fn nothing_sent_while_away(&self) -> Result<(), String> {
        for (number, asked) in self.seen.iter().enumerate() {
            let until = asked.answered + asked.answer.stay_away();
            let later = &self.seen[number + 1..];
            if let Some(early) = later.iter().find(|later| later.came < until) {
                return Err(format!(
                    "the service asked to be left alone for {:?}, and was called {:?} later",
                    asked.answer.stay_away(),
                    early.came.saturating_sub(asked.answered)
                ));
            }
        }
        Ok(())
    }

    /// The limiter holds back everybody, and the retry waits as well: at the
    /// same time, not one after the other.
    fn waits_were_not_added_up(&self) -> Result<(), String> {
        for (number, attempt) in self.attempts.iter().enumerate() {
            let asked = attempt.stay_away;
            if asked.is_zero() {
                continue;
            }
            if attempt.held_until + TOLERANCE < attempt.ended + asked {
                return Err(format!("the limiter does not hold calls back for {asked:?}"));
            }
            let (Some(waited), Some(next)) = (attempt.next_try, self.attempts.get(number + 1))
            else {
                continue;
            };
            if waited < asked {
                return Err(format!("a retry came after {waited:?} in place of {asked:?}"));
            }
            // Within the first wait the bucket has filled, so nearly nothing of
            // a second one may be left.
            let all = waited + next.turn;
            if all >= asked + asked / 2 {
                return Err(format!("{asked:?} were asked for, and {all:?} were waited"));
            }
        }
        Ok(())
    }

    /// As the service saw it: in no time more calls than the burst and what
    /// the rate adds to it in that time.
    fn never_too_fast(&self) -> Result<(), String> {
        let amount = u32::try_from(self.quota.amount()).unwrap_or(u32::MAX);
        let interval = self.quota.period() / amount;
        let burst = u32::try_from(self.quota.burst()).unwrap_or(u32::MAX);
        for (first, (sent, begin)) in self.attempts.iter().zip(self.seen).enumerate() {
            // The first of them may have been on its way for as long as its
            // answer took, so that the others came close behind it.
            let under_way = sent.ended.saturating_sub(sent.asked + sent.turn);
            for (count, end) in (1..).zip(&self.seen[first..]) {
                let time = end.came.saturating_sub(begin.came);
                let least = interval * u32::saturating_sub(count, burst);
                if time + under_way + TOLERANCE < least {
                    return Err(format!(
                        "{count} calls came within {time:?}, with a limit of {}",
                        self.quota
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What a call asks the service for.
pub(super) fn target(call: u32) -> String {
    format!("{PREFIX}{call}")
}

#[cfg(test)]
mod tests {
    use super::super::service::Answer;
    use super::*;

    const QUOTA: Quota = Quota::per_second(5).with_burst(2);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Four calls; the third is throttled and tried again.
    fn exchange() -> (Vec<Attempt>, Vec<Seen>) {
        let made = [(1, 0, 200), (2, 0, 200), (3, 200, 429), (3, 1_200, 200), (4, 1_200, 200)];
        let one = |(call, at, status): (u32, u64, u16)| {
            let answer = if status == 429 { Answer::StayAway(1) } else { Answer::Status(status) };
            let attempt = Attempt {
                call,
                asked: ms(at),
                ended: ms(at),
                status: Some(status),
                stay_away: answer.stay_away(),
                held_until: ms(at) + answer.stay_away(),
                next_try: (status != 200).then_some(answer.stay_away()),
                ..Attempt::default()
            };
            (attempt, Seen { target: target(call), came: ms(at), answered: ms(at), answer })
        };
        made.map(one).into_iter().unzip()
    }

    /// What is said when `spoil` has been at the exchange.
    fn told(spoil: impl FnOnce(&mut Vec<Attempt>, &mut Vec<Seen>)) -> String {
        let (mut attempts, mut seen) = exchange();
        spoil(&mut attempts, &mut seen);
        let granted = attempts.len() as u64;
        let agreement = Agreement { quota: QUOTA, attempts: &attempts, granted, seen: &seen };
        agreement.counts().unwrap_err()
    }

    #[test]
    fn an_exchange_that_kept_the_rules_is_counted() {
        let (attempts, seen) = exchange();
        let agreement = Agreement { quota: QUOTA, attempts: &attempts, granted: 5, seen: &seen };
        assert_eq!(agreement.counts(), Ok(Counts { failed: 0, throttled: 1 }));
        let uncounted = Agreement { granted: 4, ..agreement };
        assert_eq!(uncounted.counts().unwrap_err(), "5 calls were made, 4 granted and 5 served");
    }

    #[test]
    fn a_request_that_only_one_side_knows_of_is_found() {
        let lost = told(|_, seen| drop(seen.pop()));
        assert_eq!(lost, "5 calls were made, 5 granted and 4 served");
        let swapped = told(|_, seen| seen.swap(0, 1));
        assert!(swapped.contains("attempt 1 (/call/2)"), "{swapped}");
        let mistaken = told(|attempts, _| attempts[1].status = Some(500));
        assert!(mistaken.contains("attempt 2 (/call/2) with 200"), "{mistaken}");
        let unanswered = told(|attempts, _| attempts[4].status = None);
        assert!(unanswered.contains("what came was None"), "{unanswered}");
        let misread = told(|attempts, _| attempts[2].stay_away = ms(999));
        assert!(misread.contains("attempt 3"), "{misread}");
    }

    #[test]
    fn a_call_that_came_while_the_service_wanted_none_is_found() {
        let early = told(|_, seen| seen[3].came = ms(1_199));
        assert_eq!(early, "the service asked to be left alone for 1s, and was called 999ms later");
    }

    #[test]
    fn a_wait_that_is_too_short_or_added_to_another_is_found() {
        let open = told(|attempts, _| attempts[2].held_until = ms(1_100));
        assert_eq!(open, "the limiter does not hold calls back for 1s");
        let short = told(|attempts, _| attempts[2].next_try = Some(ms(900)));
        assert_eq!(short, "a retry came after 900ms in place of 1s");
        let added = told(|attempts, _| attempts[3].turn = ms(500));
        assert_eq!(added, "1s were asked for, and 1.5s were waited");
    }

    #[test]
    fn a_limit_that_was_passed_is_found_and_lateness_is_not_blamed() {
        let fast = told(|_, seen| seen[2].came = ms(150));
        assert_eq!(fast, "3 calls came within 150ms, with a limit of 5 per second, burst 2");
        let (mut attempts, mut seen) = exchange();
        // The service was asleep when the first two came.
        for call in 0..2 {
            attempts[call].ended = ms(50);
            seen[call].came = ms(50);
        }
        let agreement = Agreement { quota: QUOTA, attempts: &attempts, granted: 5, seen: &seen };
        assert_eq!(agreement.counts(), Ok(Counts { failed: 0, throttled: 1 }));
    }
}
