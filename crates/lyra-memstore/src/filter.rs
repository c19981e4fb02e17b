#[cfg(test)]
use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::str::FromStr;

#[cfg(test)]
use crate::Entry;
use crate::error::{InvalidFilterSnafu, MemoryError};
use crate::{EntryKind, MetadataValue};

/// Which entries are meant.
///
/// A comparison looks at one metadata key. Integers and floats are compared
/// as numbers, exactly; texts by Unicode scalars; other pairs of types never
/// match. `ne` and `not_in` also match entries without the key, the other
/// comparisons never do.
///
/// ```
/// use lyra_memstore::Filter;
///
/// let filter = Filter::eq("user_id", "123")
///     .and(Filter::gte("year", 2020).or(Filter::tag("timeless")))
///     .and(!Filter::contains("draft"));
/// let typed: Filter = "year>=2020".parse()?;
/// # Ok::<(), lyra_memstore::MemoryError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(pub(crate) Node);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Compare { key: String, operator: Operator, value: MetadataValue },
    In { key: String, values: Vec<MetadataValue>, wanted: bool },
    Exists(String),
    Tag(String),
    Kind(EntryKind),
    Significance(RangeInclusive<i64>),
    Contains(String),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $operator:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(key: impl Into<String>, value: impl Into<MetadataValue>) -> Self {
            let (key, value) = (key.into(), value.into());
            Self(Node::Compare { key, operator: Operator::$operator, value })
        }
    )*};
}

impl Filter {
    comparisons! {
        /// The value under `key` equals `value`.
        eq => Eq;
        /// There is no value under `key`, or it differs from `value`.
        ne => Ne;
        /// The value under `key` is greater than `value`.
        gt => Gt;
        /// The value under `key` is greater than `value` or equal to it.
        gte => Gte;
        /// The value under `key` is less than `value`.
        lt => Lt;
        /// The value under `key` is less than `value` or equal to it.
        lte => Lte;
    }

    /// The value under `key` is one of `values`, of which there is at least
    /// one.
    #[must_use]
    pub fn is_in(
        key: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<MetadataValue>>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self(Node::In { key: key.into(), values, wanted: true })
    }

    /// There is no value under `key`, or it is none of `values`, of which
    /// there is at least one.
    #[must_use]
    pub fn not_in(
        key: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<MetadataValue>>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self(Node::In { key: key.into(), values, wanted: false })
    }

    /// There is a value under `key`.
    #[must_use]
    pub fn exists(key: impl Into<String>) -> Self {
        Self(Node::Exists(key.into()))
    }

    /// The entry has that tag.
    #[must_use]
    pub fn tag(tag: impl Into<String>) -> Self {
        Self(Node::Tag(tag.into()))
    }

    /// The entry is of that kind.
    #[must_use]
    pub fn kind(kind: EntryKind) -> Self {
        Self(Node::Kind(kind))
    }

    /// The entry has a significance within that range.
    #[must_use]
    pub fn significance(range: RangeInclusive<i64>) -> Self {
        Self(Node::Significance(range))
    }

    /// The content holds that text, upper and lower case as given.
    #[must_use]
    pub fn contains(text: impl Into<String>) -> Self {
        Self(Node::Contains(text.into()))
    }

    /// All of the filters, of which there is at least one.
    #[must_use]
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::All(filters.into_iter().collect()))
    }

    /// One or more of the filters, of which there is at least one.
    #[must_use]
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Any(filters.into_iter().collect()))
    }

    /// Both filters.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        // Kept flat, so that a long chain is not a deep one.
        match self.0 {
            Node::All(mut filters) if !filters.is_empty() => {
                filters.push(other);
                Self(Node::All(filters))
            }
            first => Self::all([Self(first), other]),
        }
    }

    /// One of the filters, or both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self.0 {
            Node::Any(mut filters) if !filters.is_empty() => {
                filters.push(other);
                Self(Node::Any(filters))
            }
            first => Self::any([Self(first), other]),
        }
    }

    /// Refuses what cannot be meant: an empty list, which would match all or
    /// nothing by accident, and numbers that are none.
    pub(crate) fn check(&self) -> Result<(), MemoryError> {
        self.check_within(MAX_DEPTH)
    }

    fn check_within(&self, depth: usize) -> Result<(), MemoryError> {
        let reason = match &self.0 {
            _ if depth == 0 => "it is nested more than 100 deep",
            Node::Compare { value, .. } if !is_finite(value) => {
                "it compares with a number that is none"
            }
            Node::In { values, .. } if values.is_empty() => "its list of values is empty",
            Node::In { values, .. } if !values.iter().all(is_finite) => {
                "it compares with a number that is none"
            }
            Node::Contains(text) if text.is_empty() => "it looks for an empty text",
            Node::Significance(range) if range.is_empty() => "its range is empty",
            Node::All(filters) | Node::Any(filters) if filters.is_empty() => "it joins no filters",
            Node::All(filters) | Node::Any(filters) => {
                return filters.iter().try_for_each(|filter| filter.check_within(depth - 1));
            }
            Node::Not(filter) => return filter.check_within(depth - 1),
            _ => return Ok(()),
        };
        InvalidFilterSnafu { reason }.fail()
    }

    /// What is looked up to answer it, as a reader sees it; only tests ask.
    #[cfg(test)]
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        match &self.0 {
            Node::Compare { key, operator, value } => {
                let order = entry.metadata.get(key).and_then(|stored| compare(stored, value));
                match operator {
                    Operator::Eq => order == Some(Ordering::Equal),
                    Operator::Ne => order != Some(Ordering::Equal),
                    Operator::Gt => order == Some(Ordering::Greater),
                    Operator::Gte => order.is_some_and(Ordering::is_ge),
                    Operator::Lt => order == Some(Ordering::Less),
                    Operator::Lte => order.is_some_and(Ordering::is_le),
                }
            }
            Node::In { key, values, wanted } => {
                let equal = |stored| {
                    values.iter().any(|value| compare(stored, value) == Some(Ordering::Equal))
                };
                entry.metadata.get(key).is_some_and(equal) == *wanted
            }
            Node::Exists(key) => entry.metadata.contains_key(key),
            Node::Tag(tag) => entry.tags.contains(tag),
            Node::Kind(kind) => entry.kind == *kind,
            Node::Significance(range) => entry.significance.is_some_and(|n| range.contains(&n)),
            Node::Contains(text) => entry.content.contains(text),
            Node::All(filters) => filters.iter().all(|filter| filter.matches(entry)),
            Node::Any(filters) => filters.iter().any(|filter| filter.matches(entry)),
            Node::Not(filter) => !filter.matches(entry),
        }
    }
}

/// Deeper filters could overflow the stack of the thread that evaluates them.
const MAX_DEPTH: usize = 100;

impl std::ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }
}

/// Reads one comparison as a person types it: `year>=2020`, `user=ann`,
/// `done=true`, `name!="42"`. A value is a truth value, an integer or a
/// number where it looks like one, else text; quotes make it text.
impl FromStr for Filter {
    type Err = MemoryError;

    fn from_str(text: &str) -> Result<Self, MemoryError> {
        const OPERATORS: [(&str, Operator); 6] = [
            (">=", Operator::Gte),
            ("<=", Operator::Lte),
            ("!=", Operator::Ne),
            (">", Operator::Gt),
            ("<", Operator::Lt),
            ("=", Operator::Eq),
        ];
        let split = text.find(['=', '<', '>', '!']).and_then(|at| {
            let (key, rest) = text.split_at(at);
            OPERATORS.iter().find_map(|&(sign, operator)| {
                rest.strip_prefix(sign).map(|value| (key.trim(), operator, value.trim()))
            })
        });
        // `a>>3` and `a<>1` are slips, and would quietly match nothing.
        let slip = |value: &str| value.is_empty() || value.starts_with(['=', '<', '>', '!']);
        match split {
            Some((key, operator, value)) if !key.is_empty() && !slip(value) => {
                let filter = Self(Node::Compare {
                    key: key.to_owned(),
                    operator,
                    value: MetadataValue::from_typed(value),
                });
                filter.check()?;
                Ok(filter)
            }
            _ => {
                InvalidFilterSnafu { reason: "it is not KEY=VALUE, or one of != < <= > >=" }.fail()
            }
        }
    }
}

impl MetadataValue {
    /// A value as a person types it: `true`, `42`, `0.5`, else text; quotes
    /// make it text.
    #[must_use]
    pub fn from_typed(text: &str) -> Self {
        if let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return quoted.into();
        }
        // Whatever is typed as digits alone and would not come back the same,
        // such as 007 or a number of 20 digits, is a name and no number.
        let integer = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
        let float = || text.parse::<f64>().ok().filter(|_| looks_like_a_float(text));
        match text {
            "true" => true.into(),
            "false" => false.into(),
            _ => match integer {
                Some(integer) => integer.into(),
                None => float().map_or_else(|| text.into(), Self::from),
            },
        }
    }
}

/// Rust also reads "nan" and "infinity", which are words to a person.
fn looks_like_a_float(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        && text.contains(['.', 'e', 'E'])
}

fn is_finite(value: &MetadataValue) -> bool {
    !matches!(value, MetadataValue::Float(number) if !number.is_finite())
}

#[cfg(test)]
fn compare(a: &MetadataValue, b: &MetadataValue) -> Option<Ordering> {
    use MetadataValue::{Bool, Float, Int, Text};
    match (a, b) {
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Int(a), Float(b)) => compare_mixed(*a, *b),
        (Float(a), Int(b)) => compare_mixed(*b, *a).map(Ordering::reverse),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// An integer and a float, exactly: neither type holds all values of the
/// other, so neither is converted before it is known to fit.
#[cfg(test)]
fn compare_mixed(integer: i64, float: f64) -> Option<Ordering> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= TWO_TO_63 {
        return Some(Ordering::Less);
    }
    if float < -TWO_TO_63 {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the range of i64")]
    let whole = float.trunc() as i64;
    let fraction = float.fract();
    Some(integer.cmp(&whole).then_with(|| 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry::journal("The quick brown fox", "fox")
            .with_tags(["animal", "quick"])
            .with_significance(7)
            .with_metadata("year", 2020)
            .with_metadata("score", 0.5)
            .with_metadata("user", "ann")
            .with_metadata("done", true)
            .with_metadata("big", i64::MAX)
    }

    #[test]
    fn each_comparison_means_what_it_says() {
        let matching = [
            Filter::eq("year", 2020),
            Filter::eq("year", 2020.0),
            Filter::ne("year", 2021),
            Filter::ne("absent", 1),
            Filter::gt("year", 2019.5),
            Filter::gte("year", 2020),
            Filter::lt("score", 1),
            Filter::lte("score", 0.5),
            Filter::lt("user", "bob"),
            Filter::eq("done", true),
            Filter::lt("big", 9_223_372_036_854_775_808.0),
            Filter::is_in("user", ["bob", "ann"]),
            Filter::not_in("user", ["bob"]),
            Filter::not_in("absent", ["bob"]),
            Filter::exists("user"),
            Filter::tag("animal"),
            Filter::kind(EntryKind::Journal),
            Filter::significance(5..=7),
            Filter::contains("brown"),
            Filter::eq("year", 1).or(Filter::eq("year", 2020)),
            Filter::eq("user", "ann").and(Filter::eq("done", true)),
            !Filter::eq("absent", 1),
        ];
        for filter in matching {
            assert!(filter.check().is_ok(), "{filter:?}");
            assert!(filter.matches(&entry()), "{filter:?}");
            assert!(!(!filter.clone()).matches(&entry()), "{filter:?}");
        }
    }

    #[test]
    fn a_comparison_of_an_absent_key_or_another_type_does_not_match() {
        let failing = [
            Filter::eq("absent", 1),
            Filter::lt("absent", 1),
            Filter::eq("year", "2020"),
            Filter::gt("user", 1),
            Filter::eq("done", 1),
            Filter::eq("big", 9_223_372_036_854_775_808.0),
            Filter::is_in("year", ["2020"]),
            Filter::tag("anim"),
            Filter::kind(EntryKind::Fact),
            Filter::significance(8..=10),
            Filter::contains("Brown"),
        ];
        for filter in failing {
            assert!(!filter.matches(&entry()), "{filter:?}");
        }
    }

    #[test]
    fn filters_that_cannot_be_meant_are_refused() {
        let refused = [
            Filter::all([]),
            Filter::any([]),
            Filter::is_in("a", Vec::<i64>::new()),
            Filter::eq("a", f64::NAN),
            Filter::not_in("a", [f64::INFINITY]),
            Filter::contains(""),
            Filter::significance(RangeInclusive::new(3, 2)),
            !Filter::all([Filter::any([])]),
            (0..200).fold(Filter::exists("a"), |filter, _| !filter),
        ];
        for filter in refused {
            let error = filter.check().unwrap_err();
            assert_eq!(lyra_errors::Classify::code(&error).id(), "memstore.invalid_filter");
        }
    }

    #[test]
    fn a_long_chain_is_not_a_deep_one() {
        let chain = |join: fn(Filter, Filter) -> Filter| {
            (0..100_000).fold(Filter::ne("a", 0), |filter, i| join(filter, Filter::ne("a", i)))
        };
        for filter in [chain(Filter::and), chain(Filter::or)] {
            assert!(filter.check().is_ok());
            assert!(filter.matches(&entry()));
        }
    }

    #[test]
    fn a_typed_filter_is_read_as_a_person_means_it() {
        let read = |text: &str| text.parse::<Filter>().unwrap();
        assert_eq!(read("year>=2020"), Filter::gte("year", 2020));
        assert_eq!(read("user = ann"), Filter::eq("user", "ann"));
        assert_eq!(read("a!=b=c"), Filter::ne("a", "b=c"));
        assert_eq!(read("x<-0.5e3"), Filter::lt("x", -500.0));
        assert_eq!(read("zip=\"0042\""), Filter::eq("zip", "0042"));
        assert_eq!(read("done=false"), Filter::eq("done", false));
        assert_eq!(read("word=nan"), Filter::eq("word", "nan"));
        assert_eq!(read("agent=007"), Filter::eq("agent", "007"));
        assert_eq!(read("n=18446744073709551616"), Filter::eq("n", "18446744073709551616"));
        for bad in ["", "year", "=1", "!x", "a>>3", "a<>1", "a==1", "a>="] {
            assert!(bad.parse::<Filter>().is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_and_floats_are_compared_exactly() {
        let cases = [
            (9_007_199_254_740_993, 9_007_199_254_740_992.0, Ordering::Greater),
            (i64::MIN, -9_223_372_036_854_775_808.0, Ordering::Equal),
            (i64::MIN, -9.3e18, Ordering::Greater),
            (-1, -1.5, Ordering::Greater),
            (-2, -1.5, Ordering::Less),
            (0, -0.0, Ordering::Equal),
            (i64::MAX, f64::INFINITY, Ordering::Less),
        ];
        for (integer, float, order) in cases {
            assert_eq!(compare_mixed(integer, float), Some(order), "{integer} {float}");
        }
    }
}
