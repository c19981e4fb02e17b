use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A value that must not reach logs, errors or metrics: a token, a password.
///
/// It can be read only through [`expose`](Self::expose), shows nothing in
/// `Debug`, and has neither `Display` nor `Serialize`. It cannot enter a
/// [`Context`](crate::Context), which the compiler enforces:
///
/// ```compile_fail
/// use lyra_errors::{Context, Secret};
/// let context = Context::new().with("token", Secret::new("hunter2"));
/// ```
///
/// It does not erase memory when dropped; use a crate such as `zeroize` where
/// that matters.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Keeps `value` from being shown.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every place that calls this is one to review.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, owned.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// Secrets are read from configuration, and never written back.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What a format says of a wrong type holds the value.
        T::deserialize(deserializer)
            .map(Self)
            .map_err(|_| Error::custom("a secret is not of the expected type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value_at_any_depth() {
        let shown = format!("{:?} {:#?}", Secret::new("hunter2"), vec![Secret::new("hunter2")]);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_secret_of_a_wrong_type_is_not_told() {
        let error = serde_json::from_str::<Secret<u32>>("\"hunter2\"").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn it_is_read_from_configuration() {
        let token: Secret<String> = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(token.expose(), "hunter2");
        assert_eq!(token.into_exposed(), "hunter2");
    }
}
