//! Level directives: what is off is not asked again, and a change holds at
//! once.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lyra_log::{Directives, JsonLayer, Levels, MemorySink, Run, Settings, operation};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{Interest, with_default};
use tracing::{Metadata, Subscriber, debug, error, info};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

/// `tracing` asks all subscribers that there are about a place in the source, so
/// that one test would see what another one has.
static ALONE: Mutex<()> = Mutex::new(());

/// Counts how often the filter is asked whether something is on.
#[derive(Clone)]
struct Asked(Levels, Arc<AtomicUsize>);

impl<S: Subscriber> Filter<S> for Asked {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Filter::<S>::callsite_enabled(&self.0, metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed);
        Filter::enabled(&self.0, metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0)
    }
}

#[test]
fn directives_change_while_the_program_runs() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sink = Arc::new(MemorySink::new());
    let json = JsonLayer::new(sink.clone(), Arc::new(Run::new()), Settings::new());
    let levels = Levels::new("info".parse().unwrap());
    let asked = Asked(levels.clone(), Arc::default());
    with_default(registry().with(json.with_filter(asked.clone())), || {
        let told = || {
            (0..100).for_each(|_| debug!("debug"));
            (0..100).for_each(|_| error!("error"));
            sink.take().len()
        };
        assert_eq!(told(), 100);
        assert_eq!(levels.set("levels=debug".parse().unwrap()), "info".parse().unwrap());
        assert_eq!(told(), 200);
        levels.set("off".parse().unwrap());
        assert_eq!(told(), 0);
        levels.set(Directives::all(LevelFilter::TRACE).with_target("levels", LevelFilter::OFF));
        assert_eq!(told(), 0);
        assert_eq!(levels.current().to_string(), "trace,levels=off");
        assert_eq!(asked.1.load(Ordering::Relaxed), 0, "each place in the source is asked once");
    });
}

#[test]
fn an_error_has_its_operation_however_little_is_logged() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sink = Arc::new(MemorySink::new());
    let json = JsonLayer::new(sink.clone(), Arc::new(Run::new()), Settings::new());
    let levels = Levels::new("levels=error".parse().unwrap());
    with_default(registry().with(levels).with(json), || {
        operation!("store", user_id = 1).in_scope(|| {
            info!("not told");
            error!("told");
        });
    });
    let lines = sink.take();
    assert!(lines[0].contains(r#""msg":"told","operation":"store","user_id":1,"#), "{lines:?}");
    assert_eq!(lines.len(), 1);
}
