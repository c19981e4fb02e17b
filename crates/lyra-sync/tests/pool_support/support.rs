//! A manager whose every move a test decides.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyra_sync::{BlockingManager, Manager};

pub(crate) const LONG: Duration = Duration::from_secs(3_600);
pub(crate) const SHORT: Duration = Duration::from_millis(50);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What the next creation or check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Succeed,
    After(Duration),
    Fail,
    FailAfter(Duration),
    Hang,
    Panic,
}

/// What there is of resources, counted by themselves.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) alive: AtomicUsize,
    pub(crate) most_alive: AtomicUsize,
    pub(crate) in_creation: AtomicUsize,
    pub(crate) created: AtomicUsize,
    pub(crate) cleaned_up: AtomicUsize,
    pub(crate) panics_on_drop: AtomicBool,
    pub(crate) creates: Mutex<VecDeque<Act>>,
    pub(crate) checks: Mutex<VecDeque<Act>>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn then_create(&self, acts: impl IntoIterator<Item = Act>) {
        self.creates.lock().unwrap().extend(acts);
    }

    pub(crate) fn then_check(&self, acts: impl IntoIterator<Item = Act>) {
        self.checks.lock().unwrap().extend(acts);
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    pub(crate) fn created(&self) -> usize {
        self.created.load(Ordering::SeqCst)
    }

    fn resource(self: &Arc<Self>) -> Resource {
        let alive = self.alive.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_alive.fetch_max(alive, Ordering::SeqCst);
        Resource { id: self.created.fetch_add(1, Ordering::SeqCst), world: Arc::clone(self) }
    }
}

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) id: usize,
    world: Arc<World>,
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.world.alive.fetch_sub(1, Ordering::SeqCst);
        if self.world.panics_on_drop.load(Ordering::SeqCst) && !std::thread::panicking() {
            panic!("a drop that panics, as a test wants it");
        }
    }
}

pub(crate) struct Scripted(pub(crate) Arc<World>);

async fn play(act: Option<Act>) -> io::Result<()> {
    match act.unwrap_or(Act::Succeed) {
        Act::Succeed => Ok(()),
        Act::After(delay) => {
            tokio::time::sleep(delay).await; // tidy: sleep - the clock is paused
            Ok(())
        }
        Act::Fail => Err(refused()),
        Act::FailAfter(delay) => {
            tokio::time::sleep(delay).await; // tidy: sleep - the clock is paused
            Err(refused())
        }
        Act::Hang => std::future::pending().await,
        Act::Panic => panic!("as a test wants it"),
    }
}

pub(crate) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "refused")
}

impl Manager for Scripted {
    type Resource = Resource;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Resource> {
        let act = self.0.creates.lock().unwrap().pop_front();
        play(act).await?;
        Ok(self.0.resource())
    }

    async fn recycle(&self, _: &mut Resource) -> io::Result<()> {
        let act = self.0.checks.lock().unwrap().pop_front();
        play(act).await
    }

    fn destroy(&self, resource: Resource) {
        self.0.cleaned_up.fetch_add(1, Ordering::SeqCst);
        drop(resource);
    }
}

impl BlockingManager for Scripted {
    fn create_blocking(&self, _: Duration) -> io::Result<Resource> {
        let act = self.0.creates.lock().unwrap().pop_front();
        play_blocking(act)?;
        Ok(self.0.resource())
    }

    fn recycle_blocking(&self, _: &mut Resource, _: Duration) -> io::Result<()> {
        let act = self.0.checks.lock().unwrap().pop_front();
        play_blocking(act)
    }
}

fn play_blocking(act: Option<Act>) -> io::Result<()> {
    match act {
        None | Some(Act::Succeed) => Ok(()),
        Some(Act::Panic) => panic!("as a test wants it"),
        Some(_) => Err(refused()),
    }
}

/// Lets every task that can go on do so.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
