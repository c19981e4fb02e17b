//! Over `https`, the key and the texts go to nobody but whom the system's
//! certificates vouch for.
// Elsewhere the certificates are not asked of the environment.
#![cfg(all(feature = "openai-tls", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use lyra_errors::Error;
use lyra_memstore::{Embedder, OpenAiEmbedder};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Of `localhost` alone, by nobody but itself, until 2126.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/localhost.cert.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/localhost.key.pem");

/// Which certificates the system trusts is asked of the environment, so a
/// process of its own does it.
#[test]
fn who_is_vouched_for_is_asked_and_nobody_else() {
    const NAME: &str = "who_is_vouched_for_is_asked_and_nobody_else";
    if std::env::var_os("LYRA_TEST_CHILD").is_some() {
        return in_the_child();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", NAME, "--nocapture"]).env("LYRA_TEST_CHILD", "1");
    let ended = child.env("SSL_CERT_FILE", CERTIFICATE).env_remove("SSL_CERT_DIR").output();
    let ended = ended.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

fn in_the_child() {
    let port = endpoint().port();
    let embed = |host: &str, port: u16| -> Result<Vec<Vec<f32>>, Error> {
        let embedder = OpenAiEmbedder::builder(format!("https://{host}:{port}/v1"), "m");
        embedder.with_dimension(2).with_max_retries(0).build()?.embed(&["a"])
    };
    assert_eq!(embed("localhost", port).unwrap(), [[1.0, 2.0]]);
    let error = embed("127.0.0.1", port).unwrap_err();
    assert_eq!(error.code().id(), "memstore.embedder_unreachable");
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
    // One that speaks no TLS at all.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || plain.accept().unwrap().0.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
    let error = embed("localhost", port).unwrap_err();
    assert_eq!(error.code().id(), "memstore.embedder_unreachable");
}

/// Gives each request one and the same vector.
fn endpoint() -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_file(KEY).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Who does not trust it goes in the middle of the handshake.
            let _ = serve(config.clone(), stream.unwrap());
        }
    });
    address
}

fn serve(config: Arc<ServerConfig>, stream: TcpStream) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).unwrap();
    let mut lines = BufReader::new(StreamOwned::new(connection, stream));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head.to_ascii_lowercase();
    let length = length.split_once("content-length: ").unwrap().1.lines().next().unwrap();
    lines.read_exact(&mut vec![0; length.parse().unwrap()])?;
    let body = r#"{"data":[{"index":0,"embedding":[1,2]}]}"#;
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
    let stream = lines.get_mut();
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}
