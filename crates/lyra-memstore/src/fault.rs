use std::fmt;

use serde::Serialize;
use validator::{ValidationErrors, ValidationErrorsKind};

/// One thing that is wrong with an entry, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The place, such as `tags[3]`, or `entries[17].tags[3]` within a batch.
    pub path: String,
    /// The rule that it breaks, such as `too_long`; see the README.
    pub code: &'static str,
    /// What is wrong, with the limit. It shows at most 64 characters of a
    /// value, and never a vector.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong with an entry or a batch, in reading order.
///
/// The first 1,000 are kept, all are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    count: usize,
}

impl Faults {
    const MAX_KEPT: usize = 1000;

    /// The first fault.
    ///
    /// # Panics
    ///
    /// Never on faults that this crate hands out: there is at least one.
    #[must_use]
    pub fn first(&self) -> &Fault {
        self.kept.first().expect("faults are handed out only where there are some")
    }

    /// The faults that are kept, in reading order.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.kept.iter()
    }

    /// How many there are, also of those that are not kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// `Ok` when there are none.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.count == 0 { Ok(()) } else { Err(self) }
    }

    pub(crate) fn push(&mut self, path: impl Into<String>, code: &'static str, message: String) {
        self.count += 1;
        if self.kept.len() < Self::MAX_KEPT {
            self.kept.push(Fault { path: path.into(), code, message });
        }
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (i, fault) in self.kept.iter().take(SHOWN).enumerate() {
            write!(f, "{}{fault}", if i == 0 { "" } else { "; " })?;
        }
        if self.count > SHOWN {
            write!(f, "; and {} more", self.count - SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The codes of faults, so that a `Cow` from elsewhere becomes one of ours.
const FAULT_CODES: &[&str] = &[
    "required",
    "too_short",
    "too_long",
    "too_many",
    "characters",
    "range",
    "reserved",
    "type",
    "dimension",
    "not_finite",
    "zero_vector",
    "no_embedding",
    "duplicate",
    "empty_range",
];

/// Adds what `validator` found, without the rejected values that it carries
/// in every error, and in an order of our own, since its maps have none.
pub(crate) fn from_validator(errors: &ValidationErrors, prefix: &str, faults: &mut Faults) {
    let mut fields: Vec<_> = errors.errors().iter().collect();
    fields.sort_by_key(|(field, _)| field_rank(field));
    for (field, found) in fields {
        let path = match &**field {
            // How validator names the struct as a whole, and how we name the
            // only field of a struct that stands for one value.
            "__all__" | "value" => prefix.trim_end_matches('.').to_owned(),
            "tag_count" => format!("{prefix}tags"),
            field => format!("{prefix}{field}"),
        };
        match found {
            ValidationErrorsKind::Field(list) => {
                for error in list {
                    let code = FAULT_CODES
                        .iter()
                        .copied()
                        .find(|known| *known == error.code)
                        .unwrap_or("invalid");
                    let message =
                        error.message.as_deref().map_or_else(|| limits_of(error), str::to_owned);
                    faults.push(path.clone(), code, message);
                }
            }
            ValidationErrorsKind::Struct(inner) => {
                from_validator(inner, &format!("{path}."), faults);
            }
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    from_validator(inner, &format!("{path}[{index}]."), faults);
                }
            }
        }
    }
}

/// Fields in the order in which a person reads an entry, then by name.
fn field_rank(field: &str) -> (usize, String) {
    const ORDER: [&str; 7] =
        ["__all__", "id", "content", "summary", "tag_count", "significance", "value"];
    let rank = ORDER.iter().position(|known| *known == field).unwrap_or(ORDER.len());
    (rank, field.to_owned())
}

/// The limits that a built-in rule of validator names in its parameters.
fn limits_of(error: &validator::ValidationError) -> String {
    let limit = |name| error.params.get(name).map(ToString::to_string);
    match (limit("min"), limit("max")) {
        (Some(min), Some(max)) => format!("must be within {min} to {max}"),
        (Some(min), None) => format!("must be at least {min}"),
        (None, Some(max)) => format!("must be at most {max}"),
        (None, None) => format!("breaks the rule `{}`", error.code),
    }
}
