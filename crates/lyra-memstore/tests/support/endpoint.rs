//! An endpoint for embeddings that answers what a test tells it to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What the endpoint does with one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A vector `[length, 1]` for each text.
    Vectors,
    /// The same, when as many requests as the barrier holds are there.
    Together(Arc<Barrier>),
    /// This status, these headers and this body.
    Status(&'static str, String, String),
    /// A body of this length, of which only this much comes.
    Cut(&'static str, usize),
    /// Nothing at all, until the other side goes.
    Silence,
    /// One space after the other, until the other side goes.
    Trickle,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Status("200 OK", String::new(), body.into())
    }

    pub(crate) fn status(status: &'static str) -> Self {
        Self::Status(status, String::new(), "no".to_owned())
    }

    pub(crate) fn retry_after(status: &'static str, value: &str) -> Self {
        Self::Status(status, format!("retry-after: {value}\r\n"), String::new())
    }
}

/// One request as it arrived.
pub(crate) struct Seen {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Value,
}

struct Script {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
    closed: Mutex<Sender<()>>,
}

pub(crate) struct Endpoint {
    script: Arc<Script>,
    address: SocketAddr,
    closed: Receiver<()>,
}

impl Endpoint {
    /// Gives these replies in turn, and `Vectors` after them.
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, closed) = channel();
        let script = Arc::new(Script {
            replies: Mutex::new(replies.into_iter().collect()),
            seen: Mutex::default(),
            closed: Mutex::new(sender),
        });
        let shared = script.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let script = shared.clone();
                std::thread::spawn(move || script.serve(&stream.unwrap()));
            }
        });
        Self { script, address, closed }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.script.seen.lock().unwrap().len()
    }

    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.script.seen.lock().unwrap())
    }

    /// Returns when the other side has closed a connection.
    pub(crate) fn wait_until_closed(&self) {
        self.closed.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}

impl Script {
    /// One connection, until either side ends it.
    fn serve(&self, stream: &TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        while let Some(seen) = read_request(&mut lines) {
            let texts = seen.body["input"].clone();
            self.seen.lock().unwrap().push(seen);
            let reply = self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Vectors);
            if self.reply(reply, &texts, stream).is_err() {
                break;
            }
        }
        let _ = self.closed.lock().unwrap().send(());
    }

    /// An error ends the connection.
    fn reply(&self, reply: Reply, texts: &Value, mut stream: &TcpStream) -> std::io::Result<()> {
        match reply {
            Reply::Vectors => stream.write_all(&whole("200 OK", "", &vectors(texts))),
            Reply::Together(all) => {
                all.wait();
                stream.write_all(&whole("200 OK", "", &vectors(texts)))
            }
            Reply::Status(status, headers, body) => {
                stream.write_all(&whole(status, &headers, &body))
            }
            Reply::Cut(part, length) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{part}").as_bytes())?;
                stream.shutdown(std::net::Shutdown::Write)
            }
            Reply::Silence => stream.read(&mut [0]).map(|_| ()),
            Reply::Trickle => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                loop {
                    stream.write_all(b"1\r\n \r\n")?;
                    std::thread::sleep(Duration::from_millis(5)); // tidy: sleep - this endpoint is slow
                }
            }
        }
    }
}

fn read_request(lines: &mut impl BufRead) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(lines.read_line(&mut head), Ok(1..)) {
            return None;
        }
    }
    let length = head.to_ascii_lowercase().split_once("content-length: ")?.1.to_owned();
    let length: usize = length.lines().next()?.parse().ok()?;
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Seen { head, body: serde_json::from_slice(&body).unwrap() })
}

fn vectors(texts: &Value) -> String {
    let texts = texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let vector =
        |(index, text): (usize, &str)| json!({ "index": index, "embedding": [text.len(), 1] });
    json!({ "data": texts.enumerate().map(vector).collect::<Vec<_>>() }).to_string()
}

fn whole(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}
