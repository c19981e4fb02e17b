use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use lyra::errors::Result;

use super::Context;
use super::document::Document;
use super::found::Found;
use super::{runtime, view};
use crate::args::Format;
use crate::args::gpu::WatchArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::screen::{Line, Screen};

/// So many of the last events are shown.
const EVENTS: usize = 6;

pub(super) fn run(args: &WatchArgs, found: &Found, context: &Context) -> Result<Exit> {
    let interval = args.interval.unwrap_or(context.config().gpu.sample_interval).duration();
    let count = args.count.map_or(u64::MAX, u64::from);
    let runtime = runtime()?;
    // So that an interrupt leaves the terminal as it was.
    let done = context.interrupt.winding_down(|| {
        let mut watch = Watch::begin(found, context)?;
        for reading in 0..count {
            // The first one was taken when the devices were found.
            if reading > 0 {
                if pause(interval, &context.interrupt).is_none() {
                    break;
                }
                runtime.block_on(found.manager.check());
            }
            if watch.tell()?.is_none() {
                break;
            }
        }
        watch.end()
    });
    // A driver that hangs keeps nobody here.
    runtime.shutdown_background();
    done.map(|()| Exit::Done)
}

/// Waits, but not through an interrupt.
fn pause(interval: Duration, interrupt: &Interrupt) -> Option<()> {
    const NAP: Duration = Duration::from_millis(20);
    let end = Instant::now() + interval;
    while interrupt.flow().is_continue() {
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Some(()),
            left => std::thread::sleep(left.min(NAP)),
        }
    }
    None
}

/// Who is told what was read.
struct Watch<'a> {
    found: &'a Found,
    context: &'a Context,
    /// None where lines of JSON are written.
    screen: Option<Screen>,
    events: tokio::sync::broadcast::Receiver<lyra::gpu::Event>,
    last: VecDeque<String>,
    drawn: Vec<Line>,
}

impl<'a> Watch<'a> {
    fn begin(found: &'a Found, context: &'a Context) -> Result<Self> {
        let is_page = context.output.format() == Format::Human && std::io::stdout().is_terminal();
        Ok(Self {
            found,
            context,
            screen: is_page.then(Screen::open).transpose()?,
            events: found.manager.subscribe(),
            last: VecDeque::new(),
            drawn: Vec::new(),
        })
    }

    /// Tells how it stands; nothing where nobody reads it any more.
    fn tell(&mut self) -> Result<Option<()>> {
        let (status, no_gpu) = (self.found.manager.status(), self.found.no_gpu.as_deref());
        let Some(screen) = &mut self.screen else {
            return self.context.output.line(&Document::of(&status, no_gpu));
        };
        while let Ok(event) = self.events.try_recv() {
            self.last.push_back(format!("  {:>7.1} s  {}", event.at.as_secs_f64(), event.kind));
        }
        self.last.drain(..self.last.len().saturating_sub(EVENTS));
        let mut lines = view::lines(&status, no_gpu);
        lines.push(Line::plain(""));
        let head = if self.last.is_empty() { "no events yet" } else { "last events" };
        lines.push(Line::plain(format!("{head}; Ctrl-C ends")));
        lines.extend(self.last.iter().map(Line::plain));
        screen.draw(&lines)?;
        self.drawn = lines;
        Ok(Some(()))
    }

    /// Leaves the page; what it showed last stays.
    fn end(mut self) -> Result<()> {
        if self.screen.take().is_none() {
            return Ok(());
        }
        let text = self.drawn.iter().map(Line::text).collect::<Vec<_>>().join("\n");
        self.context.output.step(text)
    }
}
