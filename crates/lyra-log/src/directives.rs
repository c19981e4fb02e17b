//! From which level on each part of the program is logged.

pub(crate) mod levels;

use std::fmt;
use std::str::FromStr;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;

use crate::error::DirectiveSnafu;
use crate::{LogError, Operation, panics};

/// Levels by target, as in `info,lyra_gpu=debug,hyper=off`.
///
/// A level alone is for all targets that no other part names; without one
/// they are off. `lyra_gpu` names that crate with all its modules, and no
/// crate whose name merely begins so; of several the longest counts. Case
/// does not matter for levels, nor spaces around a part.
///
/// [Operations](Operation) and [panics](crate::Panics) are on unless all is
/// off. There are no directives by span or by field, as `EnvFilter` has them:
/// those must be asked at each event, while these are asked once for each
/// place in the source, so that what is off costs as much as if it had been
/// compiled with a fixed filter.
///
/// ```
/// use lyra_log::Directives;
///
/// let directives: Directives = "warn,lyra_gpu=debug".parse()?;
/// assert_eq!(directives.to_string(), "warn,lyra_gpu=debug");
/// let error = "warn,lyra_gpu=loud".parse::<Directives>().unwrap_err();
/// assert!(error.to_string().starts_with("`lyra_gpu=loud` is no level directive"));
/// # Ok::<(), lyra_log::LogError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    default: LevelFilter,
    /// The longest targets first.
    targets: Vec<(String, LevelFilter)>,
    loudest: LevelFilter,
}

impl Directives {
    /// The level for all targets.
    #[must_use]
    pub fn all(level: LevelFilter) -> Self {
        Self { default: level, targets: Vec::new(), loudest: level }
    }

    /// The level for one target, in place of the one it had.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>, level: LevelFilter) -> Self {
        let target = target.into();
        self.targets.retain(|(known, _)| *known != target);
        self.targets.push((target, level));
        self.targets.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.loudest = self.targets.iter().map(|&(_, level)| level).fold(self.default, Ord::max);
        self
    }

    /// From which level on `target` is logged.
    #[must_use]
    pub fn level_of(&self, target: &str) -> LevelFilter {
        let own = self.targets.iter().find(|(known, _)| is_within(target, known));
        let level = own.map_or(self.default, |&(_, level)| level);
        if self.loudest != LevelFilter::OFF && [Operation::TARGET, panics::TARGET].contains(&target)
        {
            return level.max(LevelFilter::ERROR);
        }
        level
    }

    pub(crate) fn allow(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.loudest && *metadata.level() <= self.level_of(metadata.target())
    }
}

fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl FromStr for Directives {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let mut directives = Self::all(LevelFilter::OFF);
        let mut default = None;
        for part in text.split(',').map(str::trim) {
            let wrong = |reason| DirectiveSnafu { part, reason }.fail();
            let Some((target, level)) = part.split_once('=') else {
                let Some(level) = level(part) else {
                    return wrong(
                        "alone stands a level, which is off, error, warn, info, debug or trace; \
                         for one target write `target=level`",
                    );
                };
                if default.replace(level).is_some() {
                    return wrong("there is a level for all targets already");
                }
                continue;
            };
            let target = target.trim_end();
            if target.is_empty()
                || target.contains(|c: char| c.is_whitespace() || "[]{}".contains(c))
            {
                return wrong(
                    "a target is the path of a module, such as `lyra_gpu` or `hyper::client`; \
                     spans and fields cannot be named",
                );
            }
            let Some(level) = self::level(level.trim()) else {
                return wrong("a level is off, error, warn, info, debug or trace");
            };
            if directives.targets.iter().any(|(known, _)| known == target) {
                return wrong("this target has a level already");
            }
            directives = directives.with_target(target, level);
        }
        directives.default = default.unwrap_or(LevelFilter::OFF);
        directives.loudest = directives.loudest.max(directives.default);
        Ok(directives)
    }
}

fn level(name: &str) -> Option<LevelFilter> {
    // `LevelFilter::from_str` takes numbers, too, and nothing at all.
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic());
    named.then(|| name.parse().ok()).flatten()
}

/// What reads back as the same directives.
impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Directives {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_target_counts_and_ends_at_a_module() {
        let directives = read(" INFO, lyra=off,lyra::gpu = Debug,hyper=warn");
        for (target, level) in [
            ("main", LevelFilter::INFO),
            ("lyra", LevelFilter::OFF),
            ("lyra::sync", LevelFilter::OFF),
            ("lyra::gpu::plan", LevelFilter::DEBUG),
            ("lyra_gpu", LevelFilter::INFO),
            ("hyper_util::client", LevelFilter::INFO),
            ("hyper::client", LevelFilter::WARN),
        ] {
            assert_eq!(directives.level_of(target), level, "{target}");
        }
        assert_eq!(read(&directives.to_string()), directives);
    }

    #[test]
    fn operations_and_panics_are_on_unless_all_is_off() {
        for target in [Operation::TARGET, panics::TARGET] {
            assert_eq!(read("my_crate=warn").level_of(target), LevelFilter::ERROR);
            assert_eq!(read("off").level_of(target), LevelFilter::OFF);
            assert_eq!(read("off,a=off").level_of(target), LevelFilter::OFF);
        }
    }

    #[test]
    fn an_error_names_the_part_and_what_is_allowed() {
        for (text, part, reason) in [
            ("", "", "off, error, warn, info"),
            ("info,", "", "off, error, warn, info"),
            ("inof", "inof", "off, error, warn, info"),
            ("3", "3", "off, error, warn, info"),
            ("info,my_crate", "my_crate", "`target=level`"),
            ("info,a=loud,b=info", "a=loud", "off, error, warn, info"),
            ("a=", "a=", "off, error, warn, info"),
            ("=info", "=info", "path of a module"),
            ("a[span{x=1}]=info", "a[span{x=1}]=info", "path of a module"),
            ("info,debug", "debug", "already"),
            ("a=info,a=debug", "a=debug", "already"),
        ] {
            let error = text.parse::<Directives>().unwrap_err();
            let shown = error.to_string();
            assert!(shown.starts_with(&format!("`{part}` is no")), "{shown}");
            assert!(shown.contains(reason), "{shown}");
            assert_eq!(lyra_errors::Classify::code(&error).id(), "log.directive");
        }
    }
}
