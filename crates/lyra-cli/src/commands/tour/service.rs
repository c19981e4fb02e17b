use std::io::{self, PipeReader, PipeWriter};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lyra::errors::{Error, Result};
use rustix::event::{PollFd, PollFlags, poll};

use super::http::{read_head, write_head};

/// How long a connection may be silent; while it is, nobody else is served.
const PATIENCE: Duration = Duration::from_secs(1);

/// Requests for anything else come from a stranger who tries ports.
pub(super) const PREFIX: &str = "/call/";

/// A flaky HTTP service on this machine, in a thread of its own. It plays a
/// script and notes what it sees, so that a client can be held to it.
///
/// Dropped, it is over: thread and port are gone.
pub(super) struct Service {
    address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    /// Held because the thread ends when it is closed.
    stop: PipeWriter,
    thread: JoinHandle<io::Result<Vec<Seen>>>,
}

/// The answers that a service gives, in their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) answers: &'static [Answer],
    /// The answer to all that follow.
    pub(super) then: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// This status, and nothing else.
    Status(u16),
    /// Too many requests: stay away for so many seconds.
    StayAway(u64),
}

/// A request that came, by the clock of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) target: String,
    /// When its connection was made.
    pub(super) came: Duration,
    /// When the answer was about to leave.
    pub(super) answered: Duration,
    pub(super) answer: Answer,
}

/// A port of this machine that can be reached, or why there is none.
pub(super) fn listen() -> io::Result<TcpListener> {
    // IPv4 by its number: not every machine has IPv6, or knows a `localhost`.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // A sandbox without a network lets one listen where nobody can connect.
    TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    listener.accept()?;
    Ok(listener)
}

impl Service {
    pub(super) fn start(listener: TcpListener, script: Script) -> Result<Self> {
        let broken = |error| Error::internal("no thread for the flaky service").with_source(error);
        let address = listener.local_addr().map_err(broken)?;
        let (stopped, stop) = io::pipe().map_err(broken)?;
        let thread = std::thread::Builder::new()
            .name("flaky service".to_owned())
            .spawn(move || serve(&listener, &stopped, script))
            .map_err(broken)?;
        Ok(Self { address, running: Some(Running { stop, thread }) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and tells what it saw.
    pub(super) fn stop(mut self) -> Result<Vec<Seen>> {
        self.end()
    }

    fn end(&mut self) -> Result<Vec<Seen>> {
        let Some(Running { stop, thread }) = self.running.take() else { return Ok(Vec::new()) };
        drop(stop);
        match thread.join() {
            Ok(seen) => seen.map_err(|error| {
                Error::internal("the flaky service failed in earnest").with_source(error)
            }),
            Err(_) => Err(Error::internal("the flaky service panicked")),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // What it saw, and how it ended, is of interest to `stop` alone.
        let _ = self.end();
    }
}

impl Script {
    fn answer(&self, number: usize) -> Answer {
        self.answers.get(number).copied().unwrap_or(self.then)
    }
}

impl Answer {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Status(status) => status,
            Self::StayAway(_) => 429,
        }
    }

    /// For how long it asks to be left alone.
    pub(super) fn stay_away(self) -> Duration {
        match self {
            Self::Status(_) => Duration::ZERO,
            Self::StayAway(seconds) => Duration::from_secs(seconds),
        }
    }
}

fn serve(listener: &TcpListener, stopped: &PipeReader, script: Script) -> io::Result<Vec<Seen>> {
    let started = Instant::now();
    let mut seen = Vec::new();
    // Who connects and is gone before it is accepted must not make it wait.
    listener.set_nonblocking(true)?;
    loop {
        let mut events =
            [PollFd::new(listener, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut events, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if !events[1].revents().is_empty() {
            return Ok(seen);
        }
        let came = started.elapsed();
        let Ok((stream, _)) = listener.accept() else { continue };
        // Whoever is no client of the tour gets no answer and is not counted.
        let Some(target) = target_of(&stream) else { continue };
        let answer = script.answer(seen.len());
        // Noted before it leaves: the client may come again at once.
        seen.push(Seen { target, came, answered: started.elapsed(), answer });
        let _ = tell(&stream, answer);
    }
}

/// What the request on a connection asks for.
fn target_of(stream: &TcpStream) -> Option<String> {
    stream.set_nonblocking(false).ok()?;
    let head = read_head(stream, PATIENCE).ok()?;
    let target = head.strip_prefix("GET ")?.split(' ').next()?;
    target.starts_with(PREFIX).then(|| target.to_owned())
}

fn tell(stream: &TcpStream, answer: Answer) -> io::Result<()> {
    let status = answer.status();
    let asks = match answer {
        Answer::Status(_) => String::new(),
        Answer::StayAway(seconds) => format!("Retry-After: {seconds}\r\n"),
    };
    write_head(stream, &format!("HTTP/1.1 {status} \r\n{asks}Content-Length: 0\r\n"))
}

#[cfg(test)]
mod tests {
    use super::super::http::get;
    use super::*;

    const SCRIPT: Script =
        Script { answers: &[Answer::StayAway(7), Answer::Status(500)], then: Answer::Status(200) };

    fn start() -> Service {
        Service::start(listen().unwrap(), SCRIPT).unwrap()
    }

    #[test]
    fn it_plays_its_script_and_notes_what_it_saw() {
        let service = start();
        let statuses = [1, 2, 3, 4].map(|call| {
            let response = get(service.address(), &format!("{PREFIX}{call}")).unwrap();
            let asked = response.headers().find(|(name, _)| *name == "Retry-After");
            (response.status, asked.map(|(_, value)| value.to_owned()))
        });
        assert_eq!(statuses[0], (429, Some("7".to_owned())));
        assert_eq!(statuses[1..], [(500, None), (200, None), (200, None)]);
        let seen = service.stop().unwrap();
        assert_eq!(seen.len(), 4);
        assert_eq!(seen[3].target, "/call/4");
        assert!(seen.is_sorted_by_key(|seen| (seen.came, seen.answered)));
    }

    #[test]
    fn strangers_are_not_counted() {
        let service = start();
        drop(TcpStream::connect(service.address()).unwrap());
        assert!(get(service.address(), "/").is_err());
        assert_eq!(get(service.address(), "/call/1").unwrap().status, 429);
        assert_eq!(service.stop().unwrap().len(), 1);
    }

    #[test]
    fn dropped_it_leaves_no_port_behind_even_with_a_silent_connection() {
        let service = start();
        let address = service.address();
        let _silent = TcpStream::connect(address).unwrap();
        drop(service);
        assert!(TcpStream::connect(address).is_err());
    }
}
