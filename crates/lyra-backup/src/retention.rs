//! Which backups to keep: a pure decision over instants and verdicts.

use jiff::{SignedDuration, Timestamp};

/// How long backups stay.
///
/// Whatever it says, the newest verified backup stays, or the newest one where
/// none is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: u32,
    keep_last: u32,
}

impl Default for Retention {
    /// 30 days, and the last 3 whatever their age.
    fn default() -> Self {
        Self::days(30)
    }
}

impl Retention {
    /// Keeps what is at most `days` times 24 hours old, and the last 3 whatever their age.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self { days, keep_last: 3 }
    }

    /// Keeps at least the newest `count`, whatever their age. Default: 3.
    #[must_use]
    pub const fn keep_last(self, count: u32) -> Self {
        Self { keep_last: count, ..self }
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.days == 0 && self.keep_last == 0
    }

    /// Decides for each of `backups`, in their order.
    pub(crate) fn decide(self, backups: &[Candidate], now: Timestamp) -> Vec<Outcome> {
        // A backup from the future was made under a wrong clock. It is kept,
        // but must not push out the ones that were made under a right one.
        let mut by_age: Vec<usize> =
            (0..backups.len()).filter(|i| backups[*i].created <= now).collect();
        by_age.sort_by_key(|i| std::cmp::Reverse(backups[*i].created));
        let newest = |wanted: &[Soundness]| {
            by_age.iter().copied().find(|i| wanted.contains(&backups[*i].soundness))
        };
        let anchor = newest(&[Soundness::Verified])
            .map(|i| (i, KeepReason::NewestVerified))
            .or_else(|| newest(&[Soundness::Unverified]).map(|i| (i, KeepReason::Newest)))
            .or_else(|| newest(&[Soundness::Damaged]).map(|i| (i, KeepReason::Newest)));
        // Damaged ones hold no rank: three of them are not three backups.
        let ranked: Vec<usize> = by_age
            .iter()
            .copied()
            .filter(|i| backups[*i].soundness != Soundness::Damaged)
            .take(usize::try_from(self.keep_last).unwrap_or(usize::MAX))
            .collect();
        let limit = SignedDuration::from_hours(24 * i64::from(self.days));
        backups
            .iter()
            .enumerate()
            .map(|(index, backup)| {
                let age = now.duration_since(backup.created);
                if age.is_negative() {
                    Outcome::Keep(KeepReason::FutureDated)
                } else if self.days > 0 && age <= limit {
                    Outcome::Keep(KeepReason::Within { days: self.days })
                } else if let Some(rank) = ranked.iter().position(|i| *i == index) {
                    Outcome::Keep(KeepReason::Last {
                        rank: u32::try_from(rank + 1).unwrap_or(u32::MAX),
                    })
                } else if let Some((_, reason)) = anchor.filter(|(i, _)| *i == index) {
                    Outcome::Keep(reason)
                } else {
                    Outcome::Remove { age }
                }
            })
            .collect()
    }
}

/// What the decision needs to know of a backup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) created: Timestamp,
    pub(crate) soundness: Soundness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Soundness {
    Verified,
    Unverified,
    Damaged,
}

/// What happens to a backup, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It stays.
    Keep(KeepReason),
    /// It goes: it is too old, and neither among the last nor the newest verified.
    Remove {
        /// How old it is.
        age: SignedDuration,
    },
}

/// Why a backup stays. The first that applies is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepReason {
    /// It claims to be made later than now, so its age is not known.
    FutureDated,
    /// It is young enough.
    Within {
        /// The retention's days.
        days: u32,
    },
    /// It is among the newest.
    Last {
        /// 1 for the newest.
        rank: u32,
    },
    /// It is the newest one that was verified.
    NewestVerified,
    /// No backup is verified, and it is the newest.
    Newest,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep(KeepReason::FutureDated) => f.write_str("keep: dated in the future"),
            Self::Keep(KeepReason::Within { days }) => write!(f, "keep: within {days} days"),
            Self::Keep(KeepReason::Last { rank }) => write!(f, "keep: number {rank} of the last"),
            Self::Keep(KeepReason::NewestVerified) => f.write_str("keep: the newest verified"),
            Self::Keep(KeepReason::Newest) => f.write_str("keep: the newest, none is verified"),
            Self::Remove { age } => write!(f, "remove: {} days old", age.as_hours() / 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn aged(days: i64, soundness: Soundness) -> Candidate {
        Candidate {
            created: NOW.checked_sub(SignedDuration::from_hours(24 * days)).unwrap(),
            soundness,
        }
    }

    fn kept(retention: Retention, backups: &[Candidate]) -> Vec<bool> {
        let keeps = |o: &Outcome| matches!(o, Outcome::Keep(_));
        retention.decide(backups, NOW).iter().map(keeps).collect()
    }

    #[test]
    fn the_last_three_stay_whatever_their_age() {
        use Soundness::Verified;
        let all: Vec<_> = [10, 40, 50, 60, 31].map(|d| aged(d, Verified)).into();
        assert_eq!(
            Retention::days(30).decide(&all, NOW),
            [
                Outcome::Keep(KeepReason::Within { days: 30 }),
                Outcome::Keep(KeepReason::Last { rank: 3 }),
                Outcome::Remove { age: SignedDuration::from_hours(24 * 50) },
                Outcome::Remove { age: SignedDuration::from_hours(24 * 60) },
                Outcome::Keep(KeepReason::Last { rank: 2 }),
            ]
        );
    }

    #[test]
    fn the_newest_verified_stays_behind_unverified_and_damaged_ones() {
        use Soundness::{Damaged, Unverified, Verified};
        let all = [aged(1, Damaged), aged(40, Unverified), aged(90, Verified), aged(99, Verified)];
        assert_eq!(kept(Retention::days(1).keep_last(0), &all), [true, false, true, false]);
    }

    #[test]
    fn damaged_backups_take_no_place_among_the_last() {
        use Soundness::{Damaged, Unverified};
        let all = [aged(40, Damaged), aged(41, Unverified), aged(42, Unverified)];
        assert_eq!(kept(Retention::days(0).keep_last(2), &all), [false, true, true]);
    }

    #[test]
    fn a_backup_from_the_future_pushes_none_out() {
        use Soundness::Verified;
        let all =
            [aged(-400, Verified), aged(-1, Verified), aged(40, Verified), aged(41, Verified)];
        assert_eq!(kept(Retention::days(0).keep_last(1), &all), [true, true, true, false]);
        assert_eq!(kept(Retention::days(7).keep_last(0), &all), [true, true, true, false]);
    }

    #[test]
    fn no_policy_removes_the_only_backup() {
        for soundness in [Soundness::Verified, Soundness::Unverified, Soundness::Damaged] {
            let only = [aged(4_000, soundness)];
            assert_eq!(kept(Retention::days(1).keep_last(0), &only), [true]);
        }
    }

    #[test]
    fn the_last_instant_of_the_last_day_is_within() {
        let edge = [aged(30, Soundness::Unverified), aged(0, Soundness::Verified)];
        assert_eq!(kept(Retention::days(30).keep_last(0), &edge), [true, true]);
    }
}
