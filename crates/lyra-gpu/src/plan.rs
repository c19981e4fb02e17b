//! Which models leave for another one: least recently used first, and none
//! that is not needed.

/// A model that could leave a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Victim {
    pub(crate) model: u64,
    /// What the device gets back.
    pub(crate) bytes: u64,
    pub(crate) priority: i8,
    /// It was loaded a short while ago, and is spared if others will do.
    pub(crate) is_young: bool,
    pub(crate) last_used: std::time::Duration,
}

/// Those who leave so that `need` bytes come back; none if all of them would
/// not do.
///
/// The lowest priority goes first, then who is not young, then who was used
/// longest ago. Whoever of them turns out not to be needed, as a larger one
/// that came later brings enough, stays: the more valuable first.
pub(crate) fn plan(candidates: Vec<Victim>, need: u64) -> Option<Vec<Victim>> {
    let (victims, brought) = chosen(candidates, need);
    (brought >= need).then_some(victims)
}

/// As [`plan`], or all of them if they do not do.
pub(crate) fn plan_what_can_be(candidates: Vec<Victim>, need: u64) -> Vec<Victim> {
    chosen(candidates, need).0
}

fn chosen(mut candidates: Vec<Victim>, need: u64) -> (Vec<Victim>, u64) {
    candidates
        .sort_by_key(|victim| (victim.priority, victim.is_young, victim.last_used, victim.model));
    let mut brought = 0_u64;
    let mut victims = Vec::new();
    for victim in candidates {
        if brought >= need {
            break;
        }
        brought = brought.saturating_add(victim.bytes);
        victims.push(victim);
    }
    for index in (0..victims.len()).rev() {
        if brought - victims[index].bytes >= need {
            brought -= victims.remove(index).bytes;
        }
    }
    (victims, brought)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    use super::*;

    fn victim(model: u64, bytes: u64, used: u64) -> Victim {
        let last_used = Duration::from_secs(used);
        Victim { model, bytes, priority: 0, is_young: false, last_used }
    }

    fn planned(candidates: &[Victim], need: u64) -> Option<Vec<u64>> {
        let plan = plan(candidates.to_vec(), need)?;
        Some(plan.into_iter().map(|victim| victim.model).collect())
    }

    #[test]
    fn who_was_used_longest_ago_goes_first() {
        let all = [victim(0, 4, 9), victim(1, 4, 3), victim(2, 4, 6)];
        assert_eq!(planned(&all, 4), Some(vec![1]));
        assert_eq!(planned(&all, 5), Some(vec![1, 2]));
        assert_eq!(planned(&all, 12), Some(vec![1, 2, 0]));
        assert_eq!(planned(&all, 13), None);
        assert_eq!(plan_what_can_be(all.to_vec(), 13).len(), 3);
        assert_eq!(planned(&all, 0), Some(vec![]));
    }

    #[test]
    fn who_is_not_needed_after_all_stays() {
        let all = [victim(0, 1, 1), victim(1, 2, 2), victim(2, 8, 3)];
        assert_eq!(planned(&all, 8), Some(vec![2]));
        assert_eq!(planned(&all, 9), Some(vec![0, 2]), "of two that would do, the older one goes");
    }

    #[test]
    fn priority_comes_before_age_and_the_young_are_spared() {
        let important = Victim { priority: 1, ..victim(0, 4, 1) };
        let young = Victim { is_young: true, ..victim(1, 4, 2) };
        let plain = victim(2, 4, 3);
        assert_eq!(planned(&[important, young, plain], 4), Some(vec![2]));
        assert_eq!(planned(&[important, young, plain], 8), Some(vec![2, 1]));
    }

    proptest! {
        #![proptest_config(Config {
            cases: 2_000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(1),
            ..Config::default()
        })]

        /// I7: nobody of a plan could stay, and nobody leaves for whom an
        /// older one of no less would have done.
        #[test]
        fn a_plan_is_minimal_and_takes_the_oldest_that_do(
            sizes in vec((1..50_u64, 0..20_u64, 0..2_i8, any::<bool>()), 0..9),
            need in 0..200_u64,
        ) {
            let all: Vec<Victim> = (0..).zip(&sizes).map(|(model, (bytes, used, priority, young))| {
                Victim { priority: *priority, is_young: *young, ..victim(model, *bytes, *used) }
            }).collect();
            let total: u64 = all.iter().map(|victim| victim.bytes).sum();
            let Some(plan) = plan(all.clone(), need) else {
                prop_assert!(total < need, "all of them would do");
                return Ok(());
            };
            let brought: u64 = plan.iter().map(|victim| victim.bytes).sum();
            prop_assert!(brought >= need);
            let rank = |victim: &Victim| {
                (victim.priority, victim.is_young, victim.last_used, victim.model)
            };
            for victim in &plan {
                prop_assert!(all.contains(victim));
                prop_assert!(brought - victim.bytes < need, "{victim:?} need not leave");
            }
            let spared = all.iter().filter(|victim| !plan.contains(victim));
            for spared in spared {
                let younger = plan.iter().filter(|victim| rank(victim) > rank(spared));
                for victim in younger {
                    let instead = brought - victim.bytes + spared.bytes;
                    let others: Vec<_> = plan.iter().filter(|other| *other != victim).collect();
                    let would_be_minimal =
                        others.iter().all(|other| instead - other.bytes < need);
                    prop_assert!(
                        instead < need || !would_be_minimal || spared.bytes < victim.bytes,
                        "{spared:?} is older than {victim:?} and would have done"
                    );
                }
            }
        }
    }
}
