use std::fmt;

/// The longest name of a header that is known, and of a limit that is kept.
pub(super) const MAX_NAME: usize = 64;

/// A name in a fixed place, so that a name which is met again costs nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    // All bytes behind `len` are zero, so that equality can be derived.
    bytes: [u8; MAX_NAME],
    len: usize,
}

impl Name {
    /// The printable ASCII of `bytes`, cut at [`MAX_NAME`]; `default` for an
    /// empty name.
    pub(super) fn new(bytes: impl IntoIterator<Item = u8>) -> Self {
        let mut name = Self { bytes: [0; MAX_NAME], len: 0 };
        name.extend(bytes);
        if name.len == 0 {
            name.extend(*b"default");
        }
        name
    }

    /// The name of a policy that has none, in the words of the older drafts.
    pub(super) fn of_policy(limit: u64, window: u64) -> Self {
        let mut name = Self { bytes: [0; MAX_NAME], len: 0 };
        // Two numbers of 20 digits fit.
        let _ = fmt::Write::write_fmt(&mut name, format_args!("{limit};w={window}"));
        name
    }

    pub(super) fn as_str(&self) -> &str {
        // Only ASCII ever goes in.
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    fn extend(&mut self, bytes: impl IntoIterator<Item = u8>) {
        let printable = bytes.into_iter().filter(|byte| matches!(byte, b' '..=b'~'));
        for (place, byte) in self.bytes[self.len..].iter_mut().zip(printable) {
            *place = byte;
            self.len += 1;
        }
    }
}

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_and_never_empty() {
        assert_eq!(Name::new(*b"daily").as_str(), "daily");
        assert_eq!(Name::new(*b"").as_str(), "default");
        assert_eq!(Name::new([b'a'; 1_000]).as_str(), "a".repeat(MAX_NAME));
    }

    #[test]
    fn only_printable_ascii_stays() {
        assert_eq!(Name::new(*b"da\nil\x1b\x00y\xff").as_str(), "daily");
        assert_eq!(Name::new(*b"\r\n").as_str(), "default");
    }

    #[test]
    fn the_longest_policy_fits() {
        let name = Name::of_policy(u64::MAX, u64::MAX);
        assert_eq!(name.as_str(), format!("{0};w={0}", u64::MAX));
    }
}
