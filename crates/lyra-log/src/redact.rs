//! What must not stand in a line, by the key it is under and by its looks.

mod extent;
mod keys;
mod scan;
mod tokens;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lyra_errors::Secret;

use keys::Keys;
pub(crate) use keys::Verdict;

/// Stands where a secret was.
pub(crate) const MARK: &str = "[redacted]";

/// Which keys and which texts are secret.
///
/// It works on the text as it was before anything is escaped, and on all that
/// ends in a line: fields of events and of spans, messages, the chains of
/// errors and their context, the texts of panics.
///
/// **By key**, in any case and with any of `_`, `-`, `.` or a capital between
/// the words: `password`, `passwd`, `pwd`, `passphrase`, `passcode`, `secret`,
/// `token`, `api_key`, `access_key`, `private_key`, `signing_key`,
/// `encryption_key`, `credential`, `authorization`, `cookie`, `jwt`,
/// `session_id` as whole words anywhere in the key; `auth` and `session` only
/// at its end. Words that say *how many*, *until when* or *of which kind*
/// (`token_count`, `max_tokens`, `password_length`, `token_type`,
/// `cookie_name`) make it an ordinary key, and so does a number under a key
/// in the plural (`tokens=512`). `true`, `false` and nothing are never secret.
///
/// **By looks**, wherever in a text: `key=value`, `key: value` and
/// `"key": "value"` with such a key, also inside quoted text; `Bearer …`;
/// tokens that begin with `sk-`, `sk_live_`, `ghp_`, `github_pat_`, `glpat-`,
/// `hf_`, `npm_`, `xoxb-`, `AKIA`, `AIza`; JSON web tokens; the password of a
/// URL; private keys in PEM.
///
/// What it cannot know: a secret that looks like ordinary text under an
/// ordinary key. Tell those with [`with_key`](Self::with_key) and
/// [`with_value`](Self::with_value), or keep them in a [`Secret`].
///
/// ```
/// use lyra_log::Redaction;
///
/// let redaction = Redaction::new().with_key("badge").with_prefix("acme_");
/// assert_eq!(redaction.clean("badge=7 of acme_k3y5k3y5"), "badge=[redacted] of [redacted]");
/// assert_eq!(redaction.clean("postgres://me:hunter2@db"), "postgres://me:[redacted]@db");
/// assert_eq!(redaction.clean("tokens_used: 512"), "tokens_used: 512");
/// ```
#[derive(Clone)]
pub struct Redaction {
    rules: Option<Arc<Rules>>,
}

type Matcher = Arc<dyn Fn(&str) -> Option<Range<usize>> + Send + Sync>;

#[derive(Clone, Default)]
struct Rules {
    keys: Keys,
    prefixes: Vec<String>,
    values: Vec<Secret<String>>,
    matchers: Vec<Matcher>,
}

impl Redaction {
    /// The keys and the looks that are always known.
    #[must_use]
    pub fn new() -> Self {
        Self { rules: Some(Arc::default()) }
    }

    /// Nothing is redacted: for tests, and where no line leaves the machine.
    #[must_use]
    pub fn off() -> Self {
        Self { rules: None }
    }

    /// One more key, in any spelling: `badge_number` is `badgeNumber` too, and
    /// `my_badge_number_2`.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.rules().keys.add(key);
        self
    }

    /// A key that is not secret, though its words say so, such as
    /// `session_id`. It stands for itself alone, not for longer keys.
    #[must_use]
    pub fn without_key(mut self, key: &str) -> Self {
        self.rules().keys.keep(key);
        self
    }

    /// Tokens that begin with `prefix` and go on with four or more letters,
    /// digits, `_` or `-`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        if !prefix.is_empty() {
            self.rules().prefixes.push(prefix);
        }
        self
    }

    /// This very value, wherever it stands, also as it is written within
    /// quotes. One of fewer than four bytes is
    /// left alone: it would tear ordinary words.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<Secret<String>>) -> Self {
        let value = value.into();
        if value.expose().len() >= 4 {
            // As `Debug` and JSON write it.
            let quoted = value.expose().escape_debug().to_string();
            if quoted != *value.expose() {
                self.rules().values.push(Secret::new(quoted));
            }
            self.rules().values.push(value);
        }
        self
    }

    /// Whatever `matcher` finds, such as `|text| regex.find(text).map(|m|
    /// m.range())`. It is called again with what follows, until it finds
    /// nothing; where it panics, or points outside the text, all that is left
    /// of the text is redacted.
    #[must_use]
    pub fn with_matcher(
        mut self,
        matcher: impl Fn(&str) -> Option<Range<usize>> + Send + Sync + 'static,
    ) -> Self {
        self.rules().matchers.push(Arc::new(matcher));
        self
    }

    /// The text without its secrets. It allocates only where there are some.
    #[must_use]
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(rules) = &self.rules else { return Cow::Borrowed(text) };
        let mut clean = replace(text, |text, from| scan::next(&rules.keys, text, from));
        for prefix in &rules.prefixes {
            pass(&mut clean, |text, from| tokens::with_prefix(prefix, text, from));
        }
        for value in &rules.values {
            let value = value.expose();
            pass(&mut clean, |text, from| {
                text[from..].find(value).map(|at| from + at..from + at + value.len())
            });
        }
        for matcher in &rules.matchers {
            pass(&mut clean, |text, from| ask(matcher, text, from));
        }
        clean
    }

    /// What a value under this key is.
    pub(crate) fn judge(&self, key: &str) -> Verdict {
        self.rules.as_ref().map_or(Verdict::Plain, |rules| rules.keys.judge(key))
    }

    fn rules(&mut self) -> &mut Rules {
        Arc::make_mut(self.rules.get_or_insert_default())
    }
}

impl Default for Redaction {
    fn default() -> Self {
        Self::new()
    }
}

/// How many, not which: a list of what is secret says where to look for it.
impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rules {
            None => f.write_str("Redaction(off)"),
            Some(rules) => f
                .debug_struct("Redaction")
                .field("keys_added", &rules.keys.added())
                .field("prefixes", &rules.prefixes.len())
                .field("values", &rules.values.len())
                .field("matchers", &rules.matchers.len())
                .finish(),
        }
    }
}

fn pass(text: &mut Cow<'_, str>, next: impl Fn(&str, usize) -> Option<Range<usize>>) {
    if let Cow::Owned(changed) = replace(text, next) {
        *text = Cow::Owned(changed);
    }
}

/// Every range that `next` finds, from left to right, gives way to the mark.
fn replace(text: &str, next: impl Fn(&str, usize) -> Option<Range<usize>>) -> Cow<'_, str> {
    let Some(mut found) = next(text, 0) else { return Cow::Borrowed(text) };
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    loop {
        clean.push_str(&text[done..found.start]);
        clean.push_str(MARK);
        done = found.end;
        match next(text, done) {
            Some(more) => found = more,
            None => break,
        }
    }
    clean.push_str(&text[done..]);
    Cow::Owned(clean)
}

fn ask(matcher: &Matcher, text: &str, from: usize) -> Option<Range<usize>> {
    let rest = &text[from..];
    if rest.is_empty() {
        return None;
    }
    match catch_unwind(AssertUnwindSafe(|| matcher(rest))) {
        Ok(None) => None,
        Ok(Some(found)) if !found.is_empty() && rest.get(found.clone()).is_some() => {
            Some(from + found.start..from + found.end)
        }
        _ => Some(from..text.len()),
    }
}

#[cfg(test)]
mod tests;
