use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use lyra::errors::{Error, Recovery, Result};
use lyra::ratelimit::{Feedback, LimitSet, Quota, ServiceLimits};
use lyra::retry::{RetryPolicy, Sleeper};
use serde_json::json;

use super::Tour;
use super::agreement::{Agreement, Attempt, Counts, target};
use super::http;
use super::service::{self, Answer, Script, Service};
use super::timeline::{self, Timeline};
use crate::error::CallsSnafu;
use crate::interrupt::Interrupt;
use crate::output::{Output, units};

const QUOTA: Quota = Quota::per_second(5).with_burst(2);
const CALLS: u32 = 6;

/// The limiter is slower than its quota after a complaint, by far not so much.
const PATIENCE: Duration = Duration::from_secs(10);

/// It fails twice, recovers, throttles, and is well from then on.
const FLAKY: Script = Script {
    answers: &[
        Answer::Status(200),
        Answer::Status(200),
        Answer::Status(500),
        Answer::Status(503),
        Answer::Status(200),
        Answer::StayAway(1),
    ],
    then: Answer::Status(200),
};

impl Tour<'_> {
    /// Calls a service that fails, throttles and recovers, as one calls any:
    /// a limit before each attempt, a policy around all of them.
    pub(super) fn call(&mut self) -> Result<()> {
        const STEP: &str = "call";
        let started = Instant::now();
        let listener = match service::listen() {
            Ok(listener) => listener,
            // A sandbox may forbid it, and the rest of the tour needs none.
            Err(error) => {
                let reason = format!("no service can be reached on 127.0.0.1 here: {error}");
                self.context.output.warn(format_args!("left out: {STEP}: {reason}"));
                let counts = json!({ "left_out": reason });
                return self.done(STEP, format!("left out: {reason}"), counts, started.elapsed());
            }
        };
        self.begin_step(STEP, format_args!("a flaky service on this machine, at most {QUOTA}"))?;
        let (output, interrupt) = (self.context.output, &self.context.interrupt);
        // So that an interrupt, too, leaves neither a thread nor a port.
        let made = interrupt.winding_down(|| {
            let service = Service::start(listener, FLAKY)?;
            calls_to(service, interrupt, output)
        })?;
        let Counts { failed, throttled } = made.counts;
        let result = format!(
            "{} answered in {} ({failed} failed, {throttled} throttled); \
             the service saw the same, none too early",
            units::count(CALLS.into(), "call"),
            units::count(made.attempts.len() as u64, "attempt"),
        );
        self.aside(&result)?;
        let counts = json!({
            "calls": CALLS,
            "attempts": made.attempts.len(),
            "failed": failed,
            "throttled": throttled,
            "timeline": timeline::document(&made.attempts),
        });
        self.end_step(STEP, result, counts, started.elapsed());
        Ok(())
    }
}

/// What was called, and what became of it.
#[derive(Debug)]
struct Made {
    attempts: Vec<Attempt>,
    counts: Counts,
}

/// Makes the calls, and holds them against what the service saw.
fn calls_to(service: Service, interrupt: &Interrupt, output: Output) -> Result<Made> {
    let services = ServiceLimits::new();
    let caller = Caller {
        address: service.address(),
        limits: services.register("flaky", QUOTA)?,
        policy: RetryPolicy::exponential()
            .with_base_delay(Duration::from_millis(100))
            .with_sleeper(UntilInterrupted(interrupt.clone()))
            .build()?,
        interrupt,
        started: Instant::now(),
        timeline: RefCell::new(Timeline::new(output)),
    };
    for call in 1..=CALLS {
        caller.call(call)?;
    }
    let seen = service.stop()?;
    let granted = caller.limits.status().granted;
    let attempts = caller.timeline.into_inner().into_attempts();
    let agreement = Agreement { quota: QUOTA, attempts: &attempts, granted, seen: &seen };
    match agreement.counts() {
        Ok(counts) => Ok(Made { attempts, counts }),
        Err(difference) => Err(CallsSnafu { difference }.build().into()),
    }
}

/// What calls the service.
struct Caller<'a> {
    address: SocketAddr,
    limits: LimitSet,
    policy: RetryPolicy,
    interrupt: &'a Interrupt,
    started: Instant,
    /// In a cell, because an attempt and the callback of its retry both add to
    /// it.
    timeline: RefCell<Timeline>,
}

impl Caller<'_> {
    /// One call, with as many attempts as the policy allows.
    fn call(&self, call: u32) -> Result<()> {
        let mut told = Ok(());
        let called = self
            .policy
            .retry_blocking(|| self.attempt(call))
            .on_retry(|event| {
                let mut timeline = self.timeline.borrow_mut();
                timeline.goes_on_after(event.delay);
                // A callback cannot fail: what fails in it waits for the end.
                if told.is_ok() {
                    told = timeline.tell();
                }
            })
            .call();
        told?;
        self.timeline.borrow_mut().tell()?;
        called.map_err(|error| {
            let history: Vec<_> = error.history().iter().map(ToString::to_string).collect();
            Error::from(error)
                .wrap(format!("call {call} to the flaky service was given up"))
                .with_context("history", history.join("; "))
        })
    }

    /// Waits for its turn, asks, and lets the limiter learn from the answer.
    fn attempt(&self, call: u32) -> Result<()> {
        if self.interrupt.flow().is_break() {
            return Err(Error::internal("interrupted"));
        }
        let asked = self.started.elapsed();
        let status = self.limits.status();
        let turn = status.next_free;
        let rate_percent = status.limits.first().map_or(100, |limit| limit.pace_percent);
        self.limits.acquire_blocking(PATIENCE).map_err(|error| {
            // Whoever's turn does not come in that time gives up.
            Error::from(error).with_recovery(Recovery::Permanent)
        })?;
        let answer = http::get(self.address, &target(call));
        let ended = self.started.elapsed();
        let attempt = Attempt { call, asked, turn, rate_percent, ended, ..Attempt::default() };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.timeline.borrow_mut().push(attempt);
                return Err(Error::router("the service did not answer")
                    .with_recovery(Recovery::RETRY)
                    .with_source(error));
            }
        };
        let feedback = Feedback::from_headers(answer.status, answer.headers(), SystemTime::now());
        self.limits.learn(&feedback);
        let held_for = self.limits.status().held_for;
        self.timeline.borrow_mut().push(Attempt {
            status: Some(answer.status),
            stay_away: feedback.retry_after().unwrap_or_default(),
            held_until: self.started.elapsed() + held_for,
            ..attempt
        });
        verdict(answer.status, &feedback)
    }
}

/// What a caller is to do about an answer.
fn verdict(status: u16, feedback: &Feedback) -> Result<()> {
    let message = format!("the service answered {status}");
    let after = feedback.retry_after();
    match status {
        200..400 => Ok(()),
        _ if feedback.is_throttled() => Err(Error::rate_limit("flaky", after, message)),
        500.. => Err(Error::router(message).with_recovery(Recovery::Retry { after })),
        // What is wrong with the request will be so the next time.
        _ => Err(Error::router(message)),
    }
}

/// Sleeps, but not through an interrupt.
struct UntilInterrupted(Interrupt);

impl Sleeper for UntilInterrupted {
    fn sleep(&self, wait: Duration) {
        const NAP: Duration = Duration::from_millis(20);
        let end = Instant::now() + wait;
        while self.0.flow().is_continue() {
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return,
                left => std::thread::sleep(left.min(NAP)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::args::Format;
    use crate::exit::Exit;

    fn call(script: Script) -> (Result<Made>, SocketAddr) {
        let service = Service::start(service::listen().unwrap(), script).unwrap();
        let address = service.address();
        (calls_to(service, &Interrupt::default(), Output::early(Format::Json)), address)
    }

    #[test]
    fn a_service_that_recovers_is_called_as_it_asks() {
        let made = call(FLAKY).0.unwrap();
        assert_eq!(made.counts, Counts { failed: 2, throttled: 1 });
        assert_eq!(made.attempts.len(), 9);
        let throttled = &made.attempts[5];
        assert_eq!(throttled.next_try, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_service_that_never_recovers_is_given_up_and_gone() {
        let (made, address) = call(Script { answers: &[], then: Answer::Status(503) });
        let error = made.unwrap_err();
        assert_eq!(error.to_string(), "call 1 to the flaky service was given up");
        assert_eq!(error.code().id(), "retry.exhausted");
        assert_eq!(Exit::of(error.code()), Exit::Failed);
        let history = error.context().value("history").unwrap().to_string();
        assert_eq!(history.matches("host.router").count(), 4, "{history}");
        let cause = error.causes().last().unwrap().to_string();
        assert_eq!(cause, "the service answered 503");
        assert!(TcpStream::connect(address).is_err(), "the service is still there");
    }

    #[test]
    fn a_call_past_the_limiter_is_found() {
        let script = Script { answers: &[], then: Answer::Status(200) };
        let service = Service::start(service::listen().unwrap(), script).unwrap();
        http::get(service.address(), &target(1)).unwrap();
        let made = calls_to(service, &Interrupt::default(), Output::early(Format::Json));
        let error = made.unwrap_err();
        assert_eq!((error.code().id(), Exit::of(error.code())), ("cli.calls", Exit::Failed));
        assert!(error.to_string().contains("6 calls were made, 6 granted and 7 served"), "{error}");
    }

    #[test]
    fn a_request_that_is_wrong_is_not_repeated() {
        let error = call(Script { answers: &[], then: Answer::Status(404) }).0.unwrap_err();
        assert_eq!(error.code().id(), "retry.not_retryable");
    }
}
