//! As much of HTTP/1.1 as the tour needs: heads without bodies, one request a
//! connection. The tour shows lyra, not an HTTP client, and a whole one would
//! bring many packages for this.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No loopback is so slow that a head takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// No head of the tour comes near this.
const LONGEST_HEAD: usize = 8 << 10;

/// What a service said, up to its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Response {
    /// Names and values, in their order.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        });
        Some(Self { status, headers: headers.collect() })
    }
}

/// Asks the service at `address` for `target`.
pub(super) fn get(address: SocketAddr, target: &str) -> io::Result<Response> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    write_head(&stream, &format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n"))?;
    let head = read_head(&stream, PATIENCE)?;
    Response::parse(&head).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// Sends a head whose lines are `lines`, after which the connection ends.
pub(super) fn write_head(mut stream: &TcpStream, lines: &str) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: two would wait for each other's acknowledgement.
    stream.write_all(format!("{lines}Connection: close\r\n\r\n").as_bytes())
}

/// The head of a request or a response, if it comes within a time, however
/// slowly its bytes drip.
pub(super) fn read_head(mut stream: &TcpStream, within: Duration) -> io::Result<String> {
    const END: &[u8] = b"\r\n\r\n";
    let end = Instant::now() + within;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if let Some(length) = head.windows(END.len()).position(|bytes| bytes == END) {
            return Ok(String::from_utf8_lossy(&head[..length]).into_owned());
        }
        if head.len() > LONGEST_HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_response_is_read_and_what_is_none_is_refused() {
        let response = Response::parse("HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nodd").unwrap();
        assert_eq!(response.status, 429);
        assert_eq!(response.headers().collect::<Vec<_>>(), [("Retry-After", "1")]);
        for broken in ["", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2€0", "SSH-2.0 200 x"] {
            assert_eq!(Response::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_head_is_not_waited_for_or_taken_in_without_end() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let within = Duration::from_millis(20);
        other.write_all(b"GET").unwrap();
        assert!(read_head(&stream, within).is_err());
        other.write_all(&[b'x'; LONGEST_HEAD + 2]).unwrap();
        assert_eq!(read_head(&stream, PATIENCE).unwrap_err().kind(), ErrorKind::InvalidData);
        drop(other);
        assert!(read_head(&stream, PATIENCE).is_err());
    }
}
