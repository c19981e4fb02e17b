use validator::{Validate, ValidationError};

use crate::fault::{Faults, from_validator};

/// How large the parts of an entry may be. Lengths count Unicode scalars.
///
/// | limit | default |
/// |---|---|
/// | `min_content_chars` to `max_content_chars`, of content and summary | 1 to 50,000 |
/// | `max_tags` | 20 |
/// | `max_tag_chars` | 50 |
/// | `min_significance` to `max_significance` | 1 to 10 |
/// | `max_id_chars` | 256 |
/// | `max_metadata_keys` | 64 |
/// | `max_metadata_key_chars` | 128 |
/// | `max_metadata_text_chars` | 50,000 |
///
/// ```
/// use lyra_memstore::{Entry, Limits};
///
/// let mut limits = Limits::default();
/// limits.max_tags = 1;
/// let faults = Entry::fact("water is wet").with_tags(["a", "b"]).validate(&limits).unwrap_err();
/// assert_eq!(faults.first().path, "tags");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Validate)]
#[validate(schema(function = "ranges_are_not_empty", skip_on_field_errors = false))]
#[non_exhaustive]
pub struct Limits {
    /// The fewest characters of a content or a summary.
    pub min_content_chars: usize,
    /// The most characters of a content or a summary.
    #[validate(range(min = 1, max = 10_000_000))]
    pub max_content_chars: usize,
    /// The most tags of an entry.
    #[validate(range(max = 10_000))]
    pub max_tags: usize,
    /// The most characters of a tag.
    #[validate(range(min = 1, max = 10_000))]
    pub max_tag_chars: usize,
    /// The least significance.
    pub min_significance: i64,
    /// The greatest significance.
    pub max_significance: i64,
    /// The most characters of an id.
    #[validate(range(min = 32, max = 10_000))]
    pub max_id_chars: usize,
    /// The most keys of an entry's metadata.
    #[validate(range(max = 10_000))]
    pub max_metadata_keys: usize,
    /// The most characters of a metadata key.
    #[validate(range(min = 1, max = 10_000))]
    pub max_metadata_key_chars: usize,
    /// The most characters of a text in the metadata.
    #[validate(range(max = 10_000_000))]
    pub max_metadata_text_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_content_chars: 1,
            max_content_chars: 50_000,
            max_tags: 20,
            max_tag_chars: 50,
            min_significance: 1,
            max_significance: 10,
            max_id_chars: 256,
            max_metadata_keys: 64,
            max_metadata_key_chars: 128,
            max_metadata_text_chars: 50_000,
        }
    }
}

impl Limits {
    /// Whether the limits make sense: no empty range, nothing beyond what
    /// the store can hold.
    ///
    /// # Errors
    ///
    /// All that is wrong with them.
    pub fn check(&self) -> Result<(), Faults> {
        match self.validate() {
            Ok(()) => Ok(()),
            Err(errors) => {
                let mut faults = Faults::default();
                from_validator(&errors, "limits.", &mut faults);
                Err(faults)
            }
        }
    }
}

fn ranges_are_not_empty(limits: &Limits) -> Result<(), ValidationError> {
    let content = limits.min_content_chars <= limits.max_content_chars;
    let significance = limits.min_significance <= limits.max_significance;
    if content && significance {
        return Ok(());
    }
    Err(ValidationError::new("empty_range").with_message("a minimum is above its maximum".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_promised_ones() {
        let limits = Limits::default();
        assert_eq!((limits.min_content_chars, limits.max_content_chars), (1, 50_000));
        assert_eq!((limits.max_tags, limits.max_tag_chars), (20, 50));
        assert_eq!((limits.min_significance, limits.max_significance), (1, 10));
        assert!(limits.check().is_ok());
    }

    #[test]
    fn empty_ranges_and_absurd_sizes_are_told_together() {
        let limits = Limits {
            min_content_chars: 9,
            max_content_chars: 8,
            max_id_chars: 1,
            ..Limits::default()
        };
        let faults = limits.check().unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["limits", "limits.max_id_chars"]);
    }
}
