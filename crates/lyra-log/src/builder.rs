//! What a host says about its log, and what becomes of it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{Dispatch, Subscriber};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::console::StandardError;
use crate::error::{InstalledSnafu, NowhereSnafu};
use crate::files::{Delivery, LogFiles, OnBusy, Rotation};
use crate::guard::Guard;
use crate::{
    Colours, Directives, HumanLayer, JsonLayer, Levels, LogError, Panics, Redaction, Run, Settings,
    Sink,
};
#[cfg(feature = "background")]
use crate::{Queue, background::Background};

/// Sets up a log of that name: its files are `NAME.log` and `NAME_errors.log`.
///
/// See [`Builder`].
pub fn builder(name: impl Into<String>) -> Builder {
    Builder {
        name: name.into(),
        dir: None,
        level: "info".to_owned(),
        format: Format::Json,
        console: Console::Off,
        rotation: Rotation::default(),
        delivery: Delivery::default(),
        on_busy: OnBusy::default(),
        lines: Settings::new(),
        panics: Some(Panics::new()),
        #[cfg(feature = "background")]
        queue: None,
    }
}

/// A log that is being set up; see [`builder`].
///
/// | setting | default |
/// |---|---|
/// | [`with_dir`](Self::with_dir) | no files |
/// | [`with_level`](Self::with_level) | `info` |
/// | [`with_format`](Self::with_format) | [`Format::Json`] |
/// | [`with_console`](Self::with_console) | [`Console::Off`] |
/// | [`with_rotation`](Self::with_rotation) | 10 MiB a file, 7 old ones |
/// | [`with_delivery`](Self::with_delivery) | [`Delivery::Direct`]: one `write(2)` a line |
/// | [`with_on_busy`](Self::with_on_busy) | [`OnBusy::Fail`] |
/// | [`with_redaction`](Self::with_redaction) | [`Redaction::new`] |
/// | [`with_panics`](Self::with_panics) | panics are told |
#[derive(Debug, Clone)]
#[must_use = "nothing is set up before `init` or `build`"]
pub struct Builder {
    name: String,
    dir: Option<PathBuf>,
    level: String,
    format: Format,
    console: Console,
    rotation: Rotation,
    delivery: Delivery,
    on_busy: OnBusy,
    lines: Settings,
    panics: Option<Panics>,
    #[cfg(feature = "background")]
    queue: Option<Queue>,
}

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// The subscriber of a process that has no other layers.
type Whole = Layered<Levels, Registry>;

/// What a line in the files looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object; see [`JsonLayer`].
    #[default]
    Json,
    /// For a person; see [`HumanLayer`]. Such files cannot be queried.
    Human,
    /// As the command `bunyan` reads it; see [`bunyan`](crate::bunyan()).
    #[cfg(feature = "bunyan")]
    #[cfg_attr(docsrs, doc(cfg(feature = "bunyan")))]
    Bunyan,
}

/// What goes to the standard error as well, from the same level on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Console {
    /// Nothing.
    #[default]
    Off,
    /// Lines for a person, coloured where the standard error is a terminal and
    /// `NO_COLOR` is not set.
    Human,
    /// The JSON of the files, with numbers of its own.
    Json,
}

impl Builder {
    /// Files in this directory, which is made if it is missing (its parents
    /// too; only its owner may read them).
    pub fn with_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// From which level on events are told, by target: `info`,
    /// `info,my_crate=debug,hyper=off`; see [`Directives`].
    pub fn with_level(mut self, directives: impl Into<String>) -> Self {
        self.level = directives.into();
        self
    }

    /// The same from an environment variable, such as `RUST_LOG`, if it is set
    /// and not empty.
    pub fn with_level_from_env(mut self, variable: &str) -> Self {
        let text = std::env::var(variable).ok().filter(|text| !text.trim().is_empty());
        self.level = text.unwrap_or(self.level);
        self
    }

    /// What a line in the files looks like.
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// What goes to the standard error.
    pub fn with_console(mut self, console: Console) -> Self {
        self.console = console;
        self
    }

    /// When a file is full, and how many old ones are kept.
    pub fn with_rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// When a line reaches its file.
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// A thread in the background writes the files, so that whoever logs waits
    /// for no disk. **What is under way dies with the process** when it is
    /// killed or aborts.
    #[cfg(feature = "background")]
    #[cfg_attr(docsrs, doc(cfg(feature = "background")))]
    pub fn with_background(mut self, queue: Queue) -> Self {
        self.queue = Some(queue);
        self
    }

    /// What to do when another process has a log of that name there.
    pub fn with_on_busy(mut self, on_busy: OnBusy) -> Self {
        self.on_busy = on_busy;
        self
    }

    /// What must not stand in a line.
    pub fn with_redaction(mut self, redaction: Redaction) -> Self {
        self.lines = self.lines.with_redaction(redaction);
        self
    }

    /// The most bytes of one text: 64 KiB by default.
    pub fn with_max_value_bytes(mut self, bytes: usize) -> Self {
        self.lines = self.lines.with_max_value_bytes(bytes);
        self
    }

    /// The most bytes of the fields of one line: 1 MiB by default.
    pub fn with_max_line_bytes(mut self, bytes: usize) -> Self {
        self.lines = self.lines.with_max_line_bytes(bytes);
        self
    }

    /// How panics are told, or that they are not. Only [`init`](Self::init)
    /// looks at it.
    pub fn with_panics(mut self, panics: impl Into<Option<Panics>>) -> Self {
        self.panics = panics.into();
        self
    }

    /// Sets it up for the whole process. Everything that is told with `tracing`
    /// is in it from now on.
    ///
    /// Hold the [`Guard`] as long as the program runs, in a variable with a
    /// name: `let _ = …` would drop it at once.
    ///
    /// # Errors
    ///
    /// `log.already_installed` when something else is set up for the process,
    /// and those of [`build`](Self::build). Nothing is left behind then.
    pub fn init(self) -> Result<Guard, LogError> {
        // Before the files are opened, which would not be there for nothing.
        snafu::ensure!(!tracing::dispatcher::has_been_set(), InstalledSnafu);
        let panics = self.panics;
        let (layers, guard) = self.layers::<Whole>()?;
        let levels = guard.levels().clone();
        // The level for all layers at once costs less than one for each.
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(levels).with(layers));
        if tracing::dispatcher::set_global_default(dispatch).is_err() {
            return InstalledSnafu.fail();
        }
        panics.into_iter().for_each(Panics::install);
        Ok(guard)
    }

    /// A log for what this thread does in `work`, and for nothing else: what the
    /// process has set up hears nothing of it. For tests, and for tools that
    /// have a log for each job.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let lines = lyra_log::builder("job").with_dir(dir.path()).scoped(|log| {
    ///     tracing::info!("done");
    ///     log.status().lines
    /// })?;
    /// assert_eq!(lines, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn scoped<R>(self, work: impl FnOnce(&Guard) -> R) -> Result<R, LogError> {
        let (layers, guard) = self.layers::<Whole>()?;
        let levels = guard.levels().clone();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(levels).with(layers));
        Ok(tracing::dispatcher::with_default(&dispatch, || work(&guard)))
    }

    /// A layer for a subscriber of one's own, and what belongs to it.
    ///
    /// The level counts for this layer alone.
    ///
    /// # Errors
    ///
    /// `log.directive`, `log.nowhere` where neither files nor a console are
    /// asked for, and those of the files: `log.setting`, `log.dir`,
    /// `log.in_use`, `log.io`.
    pub fn build<S>(self) -> Result<(impl Layer<S> + Send + Sync + use<S>, Guard), LogError>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (layers, guard) = self.layers()?;
        let levels = guard.levels().clone();
        Ok((layers.with_filter(levels), guard))
    }

    fn layers<S>(self) -> Result<(Vec<BoxedLayer<S>>, Guard), LogError>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        snafu::ensure!(self.dir.is_some() || self.console != Console::Off, NowhereSnafu);
        let levels = Levels::new(self.level.parse::<Directives>()?);
        let run = Arc::new(Run::new());
        let mut guard = Guard::new(Arc::clone(&run), levels);
        let mut layers: Vec<BoxedLayer<S>> = self.console_layer().into_iter().collect();
        #[cfg(feature = "metrics")]
        layers.push(crate::metrics::Counting.boxed());
        if let Some(sink) = self.open(&run, &mut guard)? {
            layers.push(self.file_layer(sink, run, guard.levels()));
        }
        Ok((layers, guard))
    }

    fn open(&self, run: &Run, guard: &mut Guard) -> Result<Option<Arc<dyn Sink>>, LogError> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let mut settings = crate::files::Settings::new(dir, &self.name, run.id());
        settings.rotation = self.rotation.clone();
        (settings.delivery, settings.on_busy) = (self.delivery, self.on_busy);
        let files = Arc::new(LogFiles::open(&settings)?);
        guard.files = Some(Arc::clone(&files));
        #[cfg(feature = "background")]
        if let Some(queue) = self.queue {
            let background = Arc::new(Background::new(files, queue));
            guard.background = Some(Arc::clone(&background));
            return Ok(Some(background));
        }
        Ok(Some(files))
    }

    fn file_layer<S>(
        &self,
        sink: Arc<dyn Sink>,
        run: Arc<Run>,
        #[cfg_attr(not(feature = "bunyan"), allow(unused_variables, reason = "bunyan asks it"))]
        levels: &Levels,
    ) -> BoxedLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let lines = self.lines.clone();
        match self.format {
            Format::Json => JsonLayer::new(sink, run, lines).boxed(),
            Format::Human => HumanLayer::new(sink, Colours::Off, lines).boxed(),
            #[cfg(feature = "bunyan")]
            Format::Bunyan => {
                crate::bunyan(self.name.clone(), sink, run, levels.clone(), lines).boxed()
            }
        }
    }

    fn console_layer<S>(&self) -> Option<BoxedLayer<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (sink, lines) = (Arc::new(StandardError), self.lines.clone());
        match self.console {
            Console::Off => None,
            Console::Human => {
                let wants_none =
                    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let colours = match std::io::stderr().is_terminal() && !wants_none {
                    true => Colours::On,
                    false => Colours::Off,
                };
                Some(HumanLayer::new(sink, colours, lines).boxed())
            }
            Console::Json => Some(JsonLayer::new(sink, Arc::new(Run::new()), lines).boxed()),
        }
    }
}
