//! What the program is asked for.

use std::ffi::OsString;
use std::path::PathBuf;

/// How it is called.
pub const USAGE: &str = "gpuscn [hold] [--nvml PATH] [--cuda PATH] [--card INDEX] \
                         [--budget BYTES] [--only S1,S3]";

/// The arguments.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// Whether it is to be a model's process.
    pub is_holder: bool,
    /// The library of NVML; the system's own where none is named.
    pub nvml: Option<PathBuf>,
    /// The library of the CUDA driver; the system's own where none is named.
    pub cuda: Option<PathBuf>,
    /// Which card, by its number in NVML.
    pub card: u32,
    /// No more of the card than so many bytes is used.
    pub budget: Option<u64>,
    /// The scenarios; all of them where none is named.
    pub only: Vec<String>,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// What is not understood.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut read = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let name = argument.to_string_lossy().into_owned();
            let mut value = || arguments.next().ok_or(format!("{name} lacks its value"));
            match name.as_str() {
                "hold" => read.is_holder = true,
                "--nvml" => read.nvml = Some(value()?.into()),
                "--cuda" => read.cuda = Some(value()?.into()),
                "--card" => read.card = number(&value()?)?,
                "--budget" => read.budget = Some(number(&value()?)?),
                "--only" => {
                    let names = value()?.to_string_lossy().into_owned();
                    read.only = names.split(',').map(str::to_owned).collect();
                }
                _ => return Err(format!("{name} is not known")),
            }
        }
        Ok(read)
    }

    /// Whether this scenario is asked for.
    #[must_use]
    pub fn asks_for(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.eq_ignore_ascii_case(name))
    }
}

fn number<T: std::str::FromStr>(text: &OsString) -> Result<T, String> {
    let text = text.to_string_lossy();
    text.parse().map_err(|_| format!("{text} is no number"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
    use super::*;

    fn read(text: &str) -> Result<Arguments, String> {
        Arguments::read(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn all_scenarios_are_asked_for_unless_some_are_named() {
        assert!(read("").unwrap().asks_for("S7"));
        let only = read("--only S1,s3 --budget 1000").unwrap();
        assert!(only.asks_for("S1") && only.asks_for("S3") && !only.asks_for("S7"));
        assert_eq!(only.budget, Some(1000));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(read("--nvlm x").unwrap_err(), "--nvlm is not known");
        assert_eq!(read("--cuda").unwrap_err(), "--cuda lacks its value");
        assert_eq!(read("--card first").unwrap_err(), "first is no number");
    }
}
