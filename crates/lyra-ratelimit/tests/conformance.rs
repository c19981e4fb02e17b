//! What every limiter promises, and every engine behind one: the same cases
//! for all of them.
//!
//! Another engine joins with an adapter in `conformance/subjects.rs` and a
//! line in `conformance!` below. What it cannot do by nature it says in its
//! `abilities`; the cases then print `not by nature: …` and show that it can't.
//! Nothing is skipped.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
#![allow(clippy::print_stdout, reason = "what is not by nature is reported, as a seed is")]

#[path = "conformance/cancelling.rs"]
mod cancelling;
#[path = "conformance/changing.rs"]
mod changing;
#[path = "conformance/granting.rs"]
mod granting;
#[path = "conformance/schedules.rs"]
mod schedules;
#[path = "conformance/several.rs"]
mod several;
#[path = "conformance/subject.rs"]
mod subject;
#[path = "conformance/subjects.rs"]
mod subjects;
#[path = "conformance/waiting.rs"]
mod waiting;

use lyra_ratelimit::engine::Ability;

/// Each case as a test of each subject, on the paused clock.
macro_rules! conformance {
    ($($(#[$on:meta])* $subject:ident: $type:ty,)*) => {
        $($(#[$on])* mod $subject { cases!($type); })*
    };
}

macro_rules! cases {
    ($subject:ty) => {
        cases! { $subject;
            granting: a_burst_is_granted_and_then_one_an_interval,
            granting: a_wait_is_told_exactly,
            granting: a_heavy_call_takes_all_of_its_tokens_or_none,
            granting: what_can_never_be_granted_is_refused_at_once,
            granting: a_call_that_costs_nothing_is_granted,
            granting: it_fills_evenly,
            granting: it_keeps_any_rate,
            waiting: waits_end_when_the_tokens_are_there,
            waiting: tasks_are_served_in_the_order_of_their_arrival,
            waiting: a_heavy_caller_is_served_in_its_turn,
            waiting: whoever_cannot_be_served_in_time_is_told_so_at_once,
            waiting: a_wait_behind_others_is_foreseen,
            waiting: nobody_overtakes_those_who_wait,
            waiting: a_future_that_nobody_polls_holds_up_nobody_for_long,
            waiting: the_status_tells_how_it_stands,
            cancelling: dropped_at_any_poll_a_wait_has_taken_nothing,
            cancelling: many_cancelled_waits_cost_not_one_token,
            cancelling: the_next_in_line_goes_when_the_first_one_leaves,
            cancelling: a_cancelled_reservation_gives_all_back,
            changing: what_was_not_used_is_there_again,
            changing: what_was_used_beyond_is_paid_by_those_who_come_next,
            changing: a_change_lets_those_who_wait_go_sooner,
            changing: a_change_tells_those_who_will_be_too_late,
            changing: what_was_taken_stays_taken_when_the_quota_changes,
            changing: what_a_response_says_is_heeded,
            several: a_call_is_charged_to_all_limits_or_to_none,
            several: a_wait_for_several_limits_is_that_of_the_slowest,
            several: no_window_of_a_strict_limit_sees_more_than_its_amount,
            schedules: nothing_is_oversold_in_random_schedules,
        }
    };
    ($subject:ty; $($file:ident: $case:ident,)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $case() {
            crate::$file::$case::<$subject>().await;
        })*
    };
}

conformance! {
    rate_limiter: crate::subjects::Single,
    limit_set: crate::subjects::Several,
    in_process: crate::subjects::Over<crate::subjects::InProcessOnTokio>,
    slow_engine: crate::subjects::Over<crate::subjects::SlowOnTokio>,
    #[cfg(feature = "leaky-bucket")]
    leaky_bucket: crate::subjects::Over<crate::subjects::Leaky>,
}

#[test]
fn the_readme_lists_what_leaky_bucket_cannot_do() {
    let readme = include_str!("../README.md");
    let list = readme.split_once("What the leaky-bucket engine cannot do").unwrap().1;
    let list = list.split_once("## Defaults").unwrap().0;
    let listed = |ability: &Ability| list.contains(&format!("\n- {ability}"));
    #[cfg(feature = "leaky-bucket")]
    {
        use subject::Subject;
        type Leaky = subjects::Over<subjects::Leaky>;
        for ability in Ability::ALL {
            assert_eq!(listed(&ability), !Leaky::abilities().has(ability), "{ability}");
        }
    }
    assert_eq!(Ability::ALL.iter().filter(|ability| listed(ability)).count(), 8);
    assert_eq!(list.matches("\n- ").count(), 8, "a line for each, and none besides");
}
