//! 50,000 records with secrets in keys, values, nested errors and panics: not
//! one secret is in what comes out, in any format.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;

use lyra_log::{Backtraces, Colours, HumanLayer, JsonLayer, MemorySink, Panics, Run, Settings};
use tracing::Level;
use tracing::field::{Value, debug};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

#[path = "support/callsite.rs"]
mod callsite;
use callsite::{event, in_span};

const RECORDS: u64 = 50_000;

/// Part of every secret, and of nothing else.
const CANARY: &str = "CNRY";

const KEYS: &[&str] = &[
    "password",
    "Password",
    "db_password",
    "userPassword",
    "passwd",
    "pwd",
    "PASSPHRASE",
    "secret",
    "client-secret",
    "clientSecret",
    "token",
    "access_token",
    "refreshToken",
    "api_key",
    "apiKey",
    "API-KEY",
    "apikey",
    "authorization",
    "Proxy-Authorization",
    "auth",
    "x-auth",
    "cookie",
    "set-cookie",
    "private_key",
    "credential",
    "credentials",
    "session",
    "session_id",
    "jwt",
    "encryption_key",
    "aws_secret_access_key",
    "token_for_alice",
    "password_hash",
];

/// A fixed sequence that looks random (splitmix64): the same in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &str, length: usize) -> String {
        let of: Vec<char> = of.chars().collect();
        (0..length).map(|_| of[self.below(of.len())]).collect()
    }

    /// Letters and digits with the canary within.
    fn token(&mut self, length: usize) -> String {
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let start = self.below(6);
        format!("{}{CANARY}{}7", self.some(LETTERS, start), self.some(LETTERS, length))
    }

    /// Whatever people put into passwords, with the canary on both sides.
    fn wild(&mut self) -> String {
        let (a, b) = (self.below(8), self.below(8));
        let middle = self.some("aZ0 \"'\\\n\t=:&,;{}[]()<>@/ä€\u{1b}", a);
        let end = self.some("aZ0 \"'\\\n\t=:&,;{}[]()<>@/ä€\u{1b}", b);
        format!("{CANARY}{middle}{CANARY}{end}x")
    }

    fn noise(&mut self) -> String {
        let length = self.below(12);
        self.some("abc XYZ 019 .,:=\n\"\\/(){}-_ä", length)
    }

    /// A text with a secret that can be known by how it looks.
    fn telling(&mut self) -> String {
        let key = self.pick(KEYS);
        // `session: started` and `auth: failed` are prose.
        let sure = if key.ends_with("auth") || key == "session" { "token" } else { key };
        let long = self.token(36);
        match self.below(17) {
            0 => format!("Bearer {long}"),
            1 => format!("authorization: Basic {long}=="),
            2 => format!("sk-{long}"),
            3 => format!("ghp_{long}"),
            4 => format!("AKIA{CANARY}{}", self.some("ABCDEFGHIJKLMNOP234567", 12)),
            5 => format!("eyJ{long}.eyJ{}.{}", self.token(20), self.token(20)),
            6 => format!("{sure}={}", self.token(6)),
            7 => format!("{sure}: {}", self.token(6)),
            8 => format!("{{{key:?}: {:?}, \"a\": 1}}", self.wild()),
            9 => format!("{:?}", format!("{{{key:?}:{:?}}}", self.wild())),
            10 => format!("https://user:{}@host:80/path", self.token(6)),
            11 => format!("https://host/?a=1&{sure}={}&b=2", self.token(6)),
            12 => format!(
                "-----BEGIN EC PRIVATE KEY-----\n{long}\n{long}\n-----END EC PRIVATE KEY-----"
            ),
            13 => format!("Cookie: a={}; b={}", self.token(6), self.token(6)),
            14 => format!("{:?}", Login { user: "bob", password: Some(self.wild()) }),
            15 => format!("{:#?}", Login { user: "bob", password: Some(self.wild()) }),
            _ => format!("curl -H \"Authorization: Bearer {long}\" -d '{sure}={}'", self.token(6)),
        }
    }

    /// The same among other text, on a line of its own as often as not.
    fn text(&mut self) -> String {
        let before = self.noise().replace(['"', '\\', ':', '='], " ");
        let around = self.pick(&[" ", "\n", "; ", "\t"]);
        let telling = self.telling();
        format!("{before}{around}{telling}{around}{}", self.noise())
    }
}

#[derive(Debug)]
#[allow(dead_code, reason = "its derived text is what is read")]
struct Login {
    user: &'static str,
    password: Option<String>,
}

#[derive(Debug)]
struct Failed(String, Option<Box<Failed>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

/// Its text comes in pieces, as that of `derive(Debug)` does.
struct Pieces(String);

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write!(f, "{c}"))
    }
}

struct Panicking(String);

impl fmt::Debug for Panicking {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("{}", self.0)
    }
}

fn one(dice: &mut Dice) {
    let (key, other) = (dice.pick(KEYS), dice.pick(&["a", "reply", "error", "target", "command"]));
    let (wild, text, more) = (dice.wild(), dice.text(), dice.text());
    let names = ["message", key, other, "z"];
    let message = dice.text();
    let z = dice.below(1000) as u64;
    let (pieces, plain) = (debug(Pieces(text.clone())), debug(wild.clone()));
    let secret: &dyn Value = if dice.below(2) == 0 { &wild } else { &plain };
    match dice.below(8) {
        0 | 1 => {
            event(Level::INFO, "t", names, [Some(&message), Some(secret), Some(&text), Some(&z)]);
        }
        2 => event(Level::INFO, "t", names, [Some(&pieces), Some(secret), Some(&pieces), Some(&z)]),
        3 => {
            let inner = Box::new(Failed(more, None));
            let error: Box<dyn std::error::Error> = Box::new(Failed(text, Some(inner)));
            event(
                Level::ERROR,
                "t",
                ["message", "b", "error", key],
                [Some(&message), None, Some(&error), Some(&wild)],
            );
        }
        4 => {
            let error = lyra_errors::Error::internal(text)
                .with_context(key, wild.clone())
                .with_context("note", more)
                .with_source(Failed(message, None));
            let error: Box<dyn std::error::Error> = Box::new(error);
            event(Level::ERROR, "t", names, [None, None, Some(&error), None]);
        }
        5 => {
            let values = [Some(&more as &dyn Value), Some(secret), Some(&text), Some(&z)];
            in_span(
                ["message", key, other, "z"],
                values,
                [None, Some(&message), Some(&message), None],
                || {
                    event(
                        Level::WARN,
                        "t",
                        ["message", "b", "c", "d"],
                        [Some(&message), None, None, None],
                    );
                },
            );
        }
        6 => {
            let value = debug(Panicking(text));
            event(Level::INFO, "t", ["message", "b", "c", "d"], [None, Some(&value), None, None]);
        }
        _ if dice.below(10) == 0 => drop(catch_unwind(|| panic!("{text}"))),
        _ => event(
            Level::INFO,
            "t",
            [other, "b", key, "d"],
            [Some(&text), Some(&more), Some(secret), None],
        ),
    }
}

#[test]
fn no_secret_comes_out() {
    std::panic::set_hook(Box::new(|_| {}));
    Panics::new().with_backtraces(Backtraces::Never).install();
    let (json, human) = (Arc::new(MemorySink::new()), Arc::new(MemorySink::new()));
    let layers = registry()
        .with(JsonLayer::new(json.clone(), Arc::new(Run::new()), Settings::new()))
        .with(HumanLayer::new(human.clone(), Colours::Off, Settings::new()));
    tracing::subscriber::set_global_default(layers).unwrap();

    let mut dice = Dice(4711);
    for _ in 0..RECORDS {
        one(&mut dice);
    }
    drop(std::panic::take_hook()); // from here on a panic is to be seen
    let (json, human) = (json.take(), human.take());
    assert!(json.len() >= usize::try_from(RECORDS).unwrap() && json.len() == human.len());
    let leaks: Vec<_> = json.iter().chain(&human).filter(|line| line.contains(CANARY)).collect();
    assert!(
        leaks.is_empty(),
        "{} lines leak, such as {:#?}",
        leaks.len(),
        &leaks[..leaks.len().min(8)]
    );
    for line in &json {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
}

#[cfg(feature = "bunyan")]
#[test]
fn no_secret_comes_out_of_bunyan() {
    use lyra_log::{Directives, Levels, bunyan};
    let sink = Arc::new(MemorySink::new());
    let levels = Levels::new(Directives::all(tracing::level_filters::LevelFilter::TRACE));
    let layer = bunyan("t", sink.clone(), Arc::new(Run::new()), levels, Settings::new());
    tracing::subscriber::with_default(registry().with(layer), || {
        let mut dice = Dice(4712);
        for _ in 0..10_000 {
            // A value that panics does so in the program, which this format
            // does not mend.
            let _ = catch_unwind(std::panic::AssertUnwindSafe(|| one(&mut dice)));
        }
    });
    let lines = sink.take();
    assert!(lines.len() > 8_000);
    let leaks: Vec<_> = lines.iter().filter(|line| line.contains(CANARY)).collect();
    assert!(
        leaks.is_empty(),
        "{} lines leak, such as {:#?}",
        leaks.len(),
        &leaks[..leaks.len().min(8)]
    );
}
