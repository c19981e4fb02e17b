//! Directives that change while the program runs.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_core::callsite::rebuild_interest_cache;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};

use crate::Directives;

/// [`Directives`] that can be exchanged while the program runs; a clone is the
/// same ones.
///
/// It is a layer, which filters for all layers, and a filter for one of them:
///
/// ```
/// use lyra_log::{Directives, Levels};
/// use tracing_subscriber::prelude::*;
///
/// let levels = Levels::new("info".parse()?);
/// let subscriber = tracing_subscriber::registry().with(levels.clone());
/// tracing::subscriber::with_default(subscriber, || {
///     assert!(!tracing::enabled!(tracing::Level::DEBUG));
///     levels.set("debug".parse()?);
///     assert!(tracing::enabled!(tracing::Level::DEBUG));
/// # Ok::<(), lyra_log::LogError>(())
/// })?;
/// # Ok::<(), lyra_log::LogError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Levels {
    directives: Arc<RwLock<Directives>>,
}

impl Levels {
    /// They begin as `directives`.
    #[must_use]
    pub fn new(directives: Directives) -> Self {
        Self { directives: Arc::new(RwLock::new(directives)) }
    }

    /// What holds now.
    #[must_use]
    pub fn current(&self) -> Directives {
        self.read(Directives::clone)
    }

    /// Exchanges the directives and gives the old ones back. Every place in
    /// the source that logs is asked again, which takes microseconds each.
    pub fn set(&self, directives: Directives) -> Directives {
        let old = {
            let mut current = self.directives.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, directives)
        };
        // Not under the lock: it asks us.
        rebuild_interest_cache();
        old
    }

    fn read<R>(&self, read: impl FnOnce(&Directives) -> R) -> R {
        read(&self.directives.read().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(feature = "bunyan")]
    pub(crate) fn level_of(&self, target: &str) -> LevelFilter {
        self.read(|directives| directives.level_of(target))
    }

    fn allow(&self, metadata: &Metadata<'_>) -> bool {
        self.read(|directives| directives.allow(metadata))
    }

    /// Never `sometimes`, so that nobody asks again at each event.
    fn interest(&self, metadata: &Metadata<'_>) -> Interest {
        if self.allow(metadata) { Interest::always() } else { Interest::never() }
    }

    fn loudest(&self) -> LevelFilter {
        self.read(|directives| directives.loudest)
    }
}

impl<S: Subscriber> Layer<S> for Levels {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.interest(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.allow(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.loudest())
    }
}

impl<S> Filter<S> for Levels {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.interest(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.allow(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.loudest())
    }
}
