use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The values of a label whose set is open by nature, such as names that a
/// program gives: the first so many get a series of their own, and all others
/// share `other`, so that no dashboard drowns in series.
///
/// A crate has one for each such label, as a `static`. The values are kept for
/// ever, which is why they are counted.
///
/// ```
/// use lyra_errors::LabelSet;
///
/// static SERVICES: LabelSet = LabelSet::new(2);
/// assert_eq!(SERVICES.label("arxiv"), "arxiv");
/// assert_eq!(SERVICES.label("wikipedia"), "wikipedia");
/// assert_eq!(SERVICES.label("some-host"), LabelSet::OTHER);
/// assert_eq!(SERVICES.label("arxiv"), "arxiv");
/// ```
pub struct LabelSet {
    most: usize,
    values: Mutex<Option<HashSet<&'static str>>>,
}

impl LabelSet {
    /// What all values beyond the first are counted as.
    pub const OTHER: &'static str = "other";

    /// Room for `most` values.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, values: Mutex::new(None) }
    }

    /// The value to label with: this one, or [`OTHER`](Self::OTHER). Not for a
    /// hot path: it takes a lock.
    pub fn label(&self, value: &str) -> &'static str {
        // Nothing panics while it is held.
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let values = values.get_or_insert_default();
        if let Some(known) = values.get(value) {
            return known;
        }
        if values.len() >= self.most {
            return Self::OTHER;
        }
        let value: &'static str = Box::leak(value.to_owned().into_boxed_str());
        values.insert(value);
        value
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelSet").field("most", &self.most).finish_non_exhaustive()
    }
}
