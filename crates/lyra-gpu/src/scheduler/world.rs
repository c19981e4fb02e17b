//! A world around the scheduler, for its tests: cards as they truly are,
//! loaders and unloaders, hosts that wait, and a clock that is moved by hand.
//!
//! Whatever happens in it happens by one of its methods; after each call of
//! the scheduler its [laws](laws) are checked.

mod card;
mod cases;
mod faults;
mod laws;
mod random;
mod small;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::{Effect, Key, Outcome, Read, Scheduler, State, Ticket};
use crate::event::{Event, EventKind, UnloadReason};
use crate::model::ModelSpec;
use crate::policy::Policy;
use crate::source::{DeviceInfo, DeviceKind, SourceError};
use card::Card;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Debug, Clone)]
struct World {
    scheduler: Scheduler,
    now: Duration,
    cards: Vec<Card>,
    /// What a model truly takes of what is reserved for it, in percent; all of
    /// it, where that is not said.
    truth: BTreeMap<Arc<str>, u64>,
    /// Those who wait, and whether they were woken.
    line: BTreeMap<Ticket, Arc<Woken>>,
    loads: Vec<Load>,
    /// Whose unloader was asked, and has not answered.
    asked: Vec<Key>,
    /// Whose memory not even force brings back.
    stuck: BTreeSet<Key>,
    handles: Vec<Key>,
    /// Readings under way: of which card, from when, and what it showed then.
    readings: Vec<(usize, Read)>,
    /// Estimates are never too low, and strangers stand still.
    is_honest: bool,
    /// Instances whose memory was given up, as nobody could say who has it.
    given_up: BTreeSet<Key>,
    levels: Vec<laws::Readings>,
    figures: Figures,
}

/// Somebody's task to load.
#[derive(Debug, Clone)]
struct Load {
    key: Key,
    /// None for a reservation.
    ticket: Option<Ticket>,
}

/// What happened, to know whether the tests got anywhere.
#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    requests: u64,
    grants: u64,
    evictions: u64,
    steps: u64,
    resolved: u64,
    unverified: u64,
    levels: u64,
}

/// When what an instance had is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    After(Duration),
    Never,
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl World {
    /// GPUs of these sizes and with these strangers on them, and the processor
    /// with so much memory.
    fn new(policy: Policy, gpus: &[(u64, u64)], cpu: Option<u64>) -> Self {
        let info = |index: usize, kind| {
            let name = format!("{kind:?}-{index}");
            (DeviceInfo::new(name.as_str(), u32::try_from(index).unwrap(), "simulated", kind), None)
        };
        let mut infos: Vec<_> = (0..gpus.len()).map(|at| info(at, DeviceKind::Gpu)).collect();
        infos.extend(cpu.map(|_| info(gpus.len(), DeviceKind::Cpu)));
        let mut cards: Vec<Card> =
            gpus.iter().map(|(total, stranger)| Card::new(*total, *stranger)).collect();
        cards.extend(cpu.map(|total| Card::new(total, 0)));
        Self {
            scheduler: Scheduler::new(policy, infos),
            now: Duration::ZERO,
            levels: vec![laws::Readings::default(); cards.len()],
            cards,
            truth: BTreeMap::new(),
            line: BTreeMap::new(),
            loads: Vec::new(),
            asked: Vec::new(),
            stuck: BTreeSet::new(),
            handles: Vec::new(),
            readings: Vec::new(),
            is_honest: true,
            given_up: BTreeSet::new(),
            figures: Figures::default(),
        }
    }

    /// Time goes by, and the scheduler looks what is due.
    fn wait(&mut self, time: Duration) {
        self.pass(time);
        self.call(Scheduler::tick);
        self.settle();
    }

    /// Time goes by.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.cards.iter_mut().for_each(|card| card.settle(self.now));
    }

    fn request(&mut self, spec: &ModelSpec) -> Ticket {
        self.figures.requests += 1;
        let ticket = self.call(|scheduler, now| scheduler.request(now, spec.clone()));
        // The first look is nobody's wake.
        self.line.insert(ticket, Arc::new(Woken(AtomicBool::new(true))));
        self.settle();
        ticket
    }

    fn leave(&mut self, ticket: Ticket) {
        self.line.remove(&ticket);
        self.call(|scheduler, now| scheduler.leave(now, ticket));
        self.settle();
    }

    fn reserve(&mut self, spec: &ModelSpec) -> Option<Key> {
        let key = self.call(|scheduler, now| scheduler.reserve(now, spec)).ok();
        self.loads.extend(key.map(|key| Load { key, ticket: None }));
        self.settle();
        key
    }

    /// A part of a model is loaded. False if it ran out of memory.
    fn load_part(&mut self, load: usize, percent: u64) -> bool {
        let key = self.loads[load].key;
        let Some(entry) = self.scheduler.entries.get(&key) else { return false };
        let truth = self.truth_of(load);
        let wanted: Vec<(usize, u64)> = entry
            .shares
            .iter()
            .map(|share| (share.device, share.estimate * truth * percent / 10_000))
            .collect();
        wanted.into_iter().all(|(index, wanted)| {
            let card = &mut self.cards[index];
            let more = wanted.saturating_sub(card.held.get(&key).copied().unwrap_or(0));
            card.take(key, more)
        })
    }

    /// What is truly taken by a load, in percent.
    fn truth_of(&self, load: usize) -> u64 {
        let entry = self.scheduler.entries.get(&self.loads[load].key);
        let truth = entry.and_then(|entry| self.truth.get(&entry.spec.name));
        truth.copied().unwrap_or(100)
    }

    /// A load is done, or runs out of memory: true if it is done.
    fn load(&mut self, load: usize, is_told: bool) -> bool {
        if !self.load_part(load, 100) {
            assert!(!self.is_honest, "out of memory, although all estimates are honest");
            self.fail(load, true, ms(0));
            return false;
        }
        let Load { key, ticket } = self.loads.remove(load);
        let bytes = |card: &Card| card.held.get(&key).copied().unwrap_or(0);
        let observed = is_told.then(|| self.cards.iter().map(bytes).sum());
        self.call(|scheduler, now| {
            if ticket.is_none() {
                scheduler.hold(now, key);
            }
            scheduler.loaded(now, key, observed);
        });
        if ticket.is_none() {
            self.handles.push(key);
        }
        self.settle();
        true
    }

    /// A load fails, and what it had taken comes back after a while. A
    /// reservation is withdrawn, with nothing left.
    fn fail(&mut self, load: usize, is_out_of_memory: bool, after: Duration) {
        let Load { key, ticket } = self.loads.remove(load);
        if ticket.is_none() {
            self.free(key, Back::After(ms(0)));
            self.call(|scheduler, now| scheduler.withdraw(now, key));
        } else {
            self.free(key, Back::After(after));
            self.call(|scheduler, now| scheduler.load_failed(now, key, ticket, is_out_of_memory));
        }
        self.settle();
    }

    fn drop_handle(&mut self, handle: usize) {
        let key = self.handles.remove(handle);
        self.call(|scheduler, now| scheduler.release(now, key));
        self.settle();
    }

    /// An unloader is done.
    fn unloaded(&mut self, asked: usize, back: Back) {
        let key = self.asked.remove(asked);
        self.free(key, back);
        self.call(|scheduler, now| scheduler.unload_answered(now, key, true));
        self.settle();
    }

    /// An unloader fails, or takes too long.
    fn unload_fails(&mut self, asked: usize, is_stuck: bool) {
        let key = self.asked.remove(asked);
        if is_stuck {
            self.stuck.insert(key);
        }
        self.call(|scheduler, now| scheduler.unload_answered(now, key, false));
        self.settle();
    }

    /// The host wants it unloaded.
    fn ask(&mut self, name: &str) {
        if let Ok(key) = self.scheduler.unused(name) {
            self.call(|scheduler, now| scheduler.begin_unload(now, key, UnloadReason::Asked));
            self.settle();
        }
    }

    /// A model that the host loaded by itself.
    fn register(&mut self, spec: &ModelSpec, is_told: bool) {
        let free = self.cards.iter().map(Card::free).min().unwrap_or(0);
        let observed = is_told.then(|| spec.candidates[0].bytes().min(free));
        let Ok(key) = self.call(|scheduler, now| scheduler.register(now, spec.clone(), observed))
        else {
            return;
        };
        for share in self.scheduler.entries[&key].shares.clone() {
            let card = &mut self.cards[share.device];
            card.take(key, share.estimate.min(card.free()));
        }
        self.settle();
    }

    /// The host has unloaded it by itself.
    fn unregister(&mut self, name: &str) {
        if let Ok(key) = self.scheduler.unused(name) {
            self.free(key, Back::After(ms(0)));
            let done = self.call(|scheduler, now| scheduler.unregister(now, name));
            assert_eq!(done, Ok(()));
            self.settle();
        }
    }

    /// A card is read, and the answer is there at once.
    fn read(&mut self, card: usize) {
        if !self.readings.iter().any(|(reading, _)| *reading == card) {
            self.begin_read(card);
            self.end_read(self.readings.len() - 1, false);
        }
    }

    fn begin_read(&mut self, card: usize) {
        if self.readings.iter().any(|(reading, _)| *reading == card) {
            return;
        }
        let (began, memory) = (self.now, self.cards[card].read());
        self.readings.push((card, Read { began, unix: Duration::ZERO, memory, own: None }));
    }

    /// An answer arrives. What it tells is of the moment when it was asked, or
    /// of now.
    fn end_read(&mut self, reading: usize, is_of_now: bool) {
        let (card, mut read) = self.readings.remove(reading);
        if is_of_now {
            read.memory = self.cards[card].read();
        }
        if let Ok(memory) = &read.memory {
            self.levels[card].push(self.now, memory.unavailable(), memory.total);
        }
        self.call(|scheduler, now| scheduler.read(now, card, read));
        self.settle();
    }

    fn set_fault(&mut self, card: usize, fault: Option<SourceError>) {
        self.cards[card].fault = fault;
    }

    /// What this instance has is free after a while, or never.
    fn free(&mut self, key: Key, back: Back) {
        let at = match back {
            Back::After(time) => Some(self.now + time),
            Back::Never => None,
        };
        for card in &mut self.cards {
            card.give_back(key, at);
            card.settle(self.now);
        }
    }

    /// Calls the scheduler, and checks its laws.
    fn call<R>(&mut self, call: impl FnOnce(&mut Scheduler, Duration) -> R) -> R {
        let before = laws::Before::of(&self.scheduler);
        let result = call(&mut self.scheduler, self.now);
        self.figures.steps += 1;
        self.check(&before);
        result
    }

    /// Carries out what the scheduler wants done, and lets those look who were
    /// woken.
    fn settle(&mut self) {
        loop {
            for effect in self.scheduler.take_effects() {
                self.carry_out(effect);
            }
            let is_woken = |woken: &Arc<Woken>| woken.0.swap(false, Ordering::Relaxed);
            let woken: Vec<Ticket> = self
                .line
                .iter()
                .filter(|(_, woken)| is_woken(woken))
                .map(|(ticket, _)| *ticket)
                .collect();
            if woken.is_empty() {
                break;
            }
            woken.into_iter().for_each(|ticket| self.look(ticket));
        }
        self.check_settled();
    }

    fn look(&mut self, ticket: Ticket) {
        while let Some(woken) = self.line.get(&ticket) {
            let mut waker = Some(Waker::from(Arc::clone(woken)));
            match self.call(|scheduler, _| scheduler.look(ticket, &mut waker)) {
                None => return,
                Some(Outcome::Load(key)) => {
                    self.figures.grants += 1;
                    self.loads.push(Load { key, ticket: Some(ticket) });
                }
                Some(outcome) => {
                    self.figures.resolved += 1;
                    self.line.remove(&ticket);
                    if let Outcome::Use(key) = outcome {
                        self.handles.push(key);
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Wake(waker) => waker.wake(),
            Effect::Unload(key) => {
                let state = self.scheduler.entries[&key].state;
                assert!(matches!(state, State::Unloading { .. }), "asked while {state:?}");
                self.asked.push(key);
            }
            Effect::Kill(key) => {
                if !self.stuck.contains(&key) {
                    self.free(key, Back::After(ms(100)));
                }
            }
            Effect::Forget(key) => {
                assert!(!self.scheduler.entries.contains_key(&key), "{key} is still there");
            }
            Effect::Tell(event) => self.hear(&event),
        }
    }

    fn hear(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Unloading { .. } => self.figures.evictions += 1,
            EventKind::UnloadUnverified { .. } => self.figures.unverified += 1,
            EventKind::LevelChanged { device, from, to, .. } => {
                self.figures.levels += 1;
                let is_it = |device_: &super::Device| device_.info.id == *device;
                let card = self.scheduler.devices.iter().position(is_it).unwrap();
                let policy = &self.scheduler.policy;
                self.levels[card].check(event.at, *from, *to, policy);
            }
            _ => {}
        }
    }

    /// Everybody goes home: loads end, handles are dropped, unloaders answer,
    /// memory comes back, and at last strangers leave. Then whoever waits is
    /// served.
    fn end(&mut self) {
        let was_honest = std::mem::replace(&mut self.is_honest, false);
        self.cards.iter_mut().for_each(|card| card.fault = None);
        let mut idle_rounds = 0;
        for _ in 0..400 {
            let steps = (self.line.len(), self.figures.grants, self.figures.evictions);
            self.end_round();
            let is_still = steps == (self.line.len(), self.figures.grants, self.figures.evictions);
            idle_rounds = if is_still { idle_rounds + 1 } else { 0 };
            // Longer than memory is awaited, twice.
            if idle_rounds > 25 {
                if self.line.is_empty() {
                    break;
                }
                self.unload_the_protected();
                // Long enough for models to be sent away to see whether they
                // take more than is known of them.
                self.pass(Duration::from_secs(300));
                self.cards.iter_mut().for_each(|card| card.stranger = 0);
                idle_rounds = 0;
            }
        }
        self.is_honest = was_honest;
        self.check_ended();
    }

    fn end_round(&mut self) {
        while let Some(reading) = self.readings.len().checked_sub(1) {
            self.end_read(reading, true);
        }
        while !self.loads.is_empty() {
            let is_less = self.truth_of(0) < 100;
            self.load(0, is_less);
        }
        while !self.handles.is_empty() {
            self.drop_handle(0);
        }
        while !self.asked.is_empty() {
            self.unloaded(0, Back::After(ms(0)));
        }
        let alive = &self.scheduler.entries;
        for card in &mut self.cards {
            // Whoever was given up goes as well.
            card.held.retain(|key, _| {
                alive.get(key).is_some_and(|entry| {
                    matches!(entry.state, State::Loading { .. } | State::Ready)
                })
            });
            card.return_all();
        }
        self.pass(ms(500));
        for card in 0..self.cards.len() {
            self.read(card);
        }
        self.wait(ms(500));
    }

    /// What is never evicted for those who wait: the host has to.
    fn unload_the_protected(&mut self) {
        let least = self.line.keys().map(|ticket| ticket.0.0).min().unwrap_or(i8::MAX);
        let never = self.scheduler.policy.degrade == crate::policy::Degrade::NoEvict;
        let entries = self.scheduler.entries.values();
        let protected: Vec<Arc<str>> = entries
            .filter(|entry| never || entry.spec.is_pinned || entry.spec.priority > least)
            .map(|entry| Arc::clone(&entry.spec.name))
            .collect();
        protected.iter().for_each(|name| self.ask(name));
    }
}

impl Figures {
    fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            grants: self.grants + other.grants,
            evictions: self.evictions + other.evictions,
            steps: self.steps + other.steps,
            resolved: self.resolved + other.resolved,
            unverified: self.unverified + other.unverified,
            levels: self.levels + other.levels,
        }
    }
}
