//! Names of backups: `{prefix}_{YYYYMMDDTHHMMSS.mmm}Z_{6 random base32}`.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use jiff::Timestamp;

use crate::error::{InvalidArgumentSnafu, Result};

/// What a published archive ends in.
pub(crate) const ARCHIVE_SUFFIX: &str = ".tar.zst";
/// What the cached summary beside it ends in.
pub(crate) const SIDECAR_SUFFIX: &str = ".json";

/// What the name of a summary that is being written has between name and random part.
pub(crate) const SIDECAR_DRAFT: &str = ".json.tmp-";

/// No vowels that spell words and no letters that look like digits: Crockford's alphabet.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Thirty random bits in six characters.
///
/// The keys of `RandomState` come from the operating system's generator, which
/// is all that a name needs; publishing refuses to replace, so a collision
/// could not lose anything either.
pub(crate) fn random_id() -> String {
    let mut bits = RandomState::new().build_hasher().finish();
    let mut id = String::with_capacity(6);
    for _ in 0..6 {
        id.push(char::from(BASE32[usize::try_from(bits & 31).unwrap_or(0)]));
        bits >>= 5;
    }
    id
}

/// The name of a backup that is made now.
pub(crate) fn backup_name(prefix: &str, created: Timestamp) -> String {
    // jiff prints the fraction truncated, which keeps names in order of creation.
    let instant = created.strftime("%Y%m%dT%H%M%S%.3f");
    format!("{prefix}_{instant}Z_{}", random_id())
}

/// The prefix of `name`, when `name` has the shape that [`backup_name`] gives.
pub(crate) fn prefix_of(name: &str) -> Option<&str> {
    let (rest, id) = name.rsplit_once('_')?;
    let (prefix, instant) = rest.rsplit_once('_')?;
    let id_fits = id.len() == 6 && id.bytes().all(|b| BASE32.contains(&b));
    let shape = b"ddddddddTdddddd.dddZ";
    let instant_fits = instant.len() == shape.len()
        && instant.bytes().zip(shape).all(|(b, s)| match s {
            b'd' => b.is_ascii_digit(),
            other => b == *other,
        });
    (id_fits && instant_fits && check_prefix(prefix).is_ok()).then_some(prefix)
}

/// Accepts 1 to 64 of `A-Z a-z 0-9 _ -`, not starting with `-`.
pub(crate) fn check_prefix(prefix: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if prefix.is_empty()
        || prefix.len() > 64
        || prefix.starts_with('-')
        || !prefix.bytes().all(allowed)
    {
        return InvalidArgumentSnafu {
            what: format!("the prefix {prefix:?}"),
            reason: "must be 1 to 64 of A-Z a-z 0-9 _ - and not start with -",
        }
        .fail();
    }
    Ok(())
}

/// Turns what a caller typed into a bare name that can't leave the backup directory.
pub(crate) fn check_name(name: &str) -> Result<&str> {
    let bare = name.strip_suffix(ARCHIVE_SUFFIX).unwrap_or(name);
    let bad = bare.is_empty()
        || bare.len() > 200
        || bare.starts_with('.')
        || bare.contains(['/', '\0'])
        || bare.contains(char::is_control);
    if bad {
        return InvalidArgumentSnafu {
            what: format!("the backup name {name:?}"),
            reason: "must be a plain file name as `list` shows it",
        }
        .fail();
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_prefix() {
        let created: Timestamp = "2026-11-23T02:30:05.123987Z".parse().unwrap();
        let name = backup_name("lyra_memory", created);
        assert!(name.starts_with("lyra_memory_20261123T023005.123Z_"), "{name}");
        assert_eq!(prefix_of(&name), Some("lyra_memory"));
        for other in
            ["notes", "a_b_c", "x_20261123T023005.123Z_abc", "_20261123T023005.123Z_000000"]
        {
            assert_eq!(prefix_of(other), None, "{other}");
        }
    }

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "a\0b", ".hidden", "a\nb"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_name("x.tar.zst").unwrap(), "x");
    }
}
