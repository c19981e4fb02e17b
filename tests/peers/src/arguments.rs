//! What was asked for on the command line.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::AREAS;

#[derive(Debug)]
pub(crate) struct Arguments {
    /// All of them where none is named.
    area: Option<String>,
    pub(crate) check: bool,
    pub(crate) write: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) seed: u64,
}

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut parsed = Self {
            area: None,
            check: false,
            write: false,
            json: None,
            seed: u64::from(since.subsec_nanos()),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--check" => parsed.check = true,
                "--write" => parsed.write = true,
                "--json" => {
                    let path = words.next().ok_or("`--json` wants a file")?;
                    parsed.json = Some(path.into());
                }
                "--seed" => {
                    let seed = words.next().and_then(|seed| seed.parse().ok());
                    parsed.seed = seed.ok_or("`--seed` wants a whole number")?;
                }
                flag if flag.starts_with('-') => return Err(format!("there is no flag `{flag}`")),
                name if !AREAS.iter().any(|area| area.name == name) => {
                    let known = AREAS.map(|area| area.name).join(", ");
                    return Err(format!("there is no area `{name}`; there are {known}"));
                }
                name if parsed.area.is_none() => parsed.area = Some(name.to_owned()),
                name => return Err(format!("one area at a time, or all: `{name}` is one more")),
            }
        }
        Ok(parsed)
    }

    pub(crate) fn wants(&self, area: &str) -> bool {
        self.area.as_deref().is_none_or(|wanted| wanted == area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words)
    }

    #[test]
    fn without_an_area_all_are_wanted() {
        let all = parse("--check").unwrap();
        assert!(all.check && all.wants("retry") && all.wants("ratelimit"));
        let one = parse("retry --json rows.json --seed 7").unwrap();
        assert!(one.wants("retry") && !one.wants("ratelimit"));
        assert_eq!((one.json, one.seed), (Some("rows.json".into()), 7));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (line, piece) in [
            ("retries", "`retries`; there are retry, ratelimit, sync"),
            ("--chek", "`--chek`"),
            ("retry ratelimit", "one area at a time"),
            ("--json", "wants a file"),
            ("--seed x", "whole number"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(piece), "{line}: {error}");
        }
    }
}
