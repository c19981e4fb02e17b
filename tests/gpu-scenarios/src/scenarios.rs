//! The scenarios, each a promise that is played on a card.

mod baseline;
mod control;
mod fill;
mod in_use;
mod killed;
mod ladder;
mod lies;
mod original;
mod stranger;
mod stubborn;
mod together;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use lyra_gpu::{Event, EventKind};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;

use crate::report::{Broken, Report};
use crate::rig::Rig;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its short name.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    play: Play,
}

type Play = for<'a> fn(&'a Arc<Rig>, &'a mut Report) -> Playing<'a>;
type Playing<'a> = Pin<Box<dyn Future<Output = Result<(), Broken>> + 'a>>;

macro_rules! scenarios {
    ($($name:literal, $title:literal, $play:path;)*) => {
        /// All of them, in their order.
        pub const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: $name,
            title: $title,
            play: |rig, report| Box::pin($play(rig, report)),
        }),*];
    };
}

scenarios! {
    "S0", "how the card stands, and what it costs to ask", baseline::play;
    "S1", "loads beyond the card: who was used longest ago leaves", fill::play;
    "S2", "what is in use stays", in_use::play;
    "S3", "sixteen at once: never above the cap", together::play;
    "S4", "a stranger takes memory: several leave at once", stranger::play;
    "S5", "a runner is killed", killed::play;
    "S6", "a model takes more than was said", lies::play;
    "S7", "unloaders that do not unload", stubborn::play;
    "S8", "the best that fits beside what is pinned", ladder::play;
    "control", "the same loads without admission run out of memory", control::play;
    "S9", "the rule of the original beside ours", original::play;
}

impl Scenario {
    /// Plays it, and waits until the card is as before. The line says what was
    /// found; true, if that is as it has to be.
    pub async fn play(&self, rig: &Arc<Rig>) -> (Value, bool) {
        let (mut report, start) = (Report::default(), Instant::now());
        if let Err(broken) = (self.play)(rig, &mut report).await {
            report.broke(&broken);
        }
        let took = start.elapsed();
        // The last one leaves its context, and nobody comes after it.
        if self.name != SCENARIOS[SCENARIOS.len() - 1].name {
            rig.settle().await;
        }
        let is_good = report.is_good();
        (report.line(self.name, self.title, took), is_good)
    }
}

/// What happened since this was asked last.
fn heard(events: &mut Receiver<Event>) -> Vec<EventKind> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.kind).collect()
}

/// Who was asked to leave, in that order.
fn left(events: &[EventKind]) -> Vec<String> {
    let left = events.iter().filter_map(|event| match event {
        EventKind::Unloading { model, .. } => Some(model.to_string()),
        _ => None,
    });
    left.collect()
}

fn exceeded(events: &[EventKind]) -> usize {
    events.iter().filter(|event| matches!(event, EventKind::EstimateExceeded { .. })).count()
}
