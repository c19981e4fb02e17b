//! Standard base64 with padding, for the names that are not UTF-8.
//!
//! Forty lines weigh less than a dependency, and only names pass through here.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0_u32, |group, (i, b)| group | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            if i <= chunk.len() {
                let index = (group >> (18 - 6 * i)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Reads exactly what [`encode`] writes; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text.as_bytes().chunks(4) {
        let used = chunk.iter().take_while(|b| **b != b'=').count();
        if chunk.len() != 4 || used < 2 {
            return None;
        }
        let mut group = 0_u32;
        for (i, b) in chunk[..used].iter().enumerate() {
            let index = u32::try_from(ALPHABET.iter().position(|a| a == b)?).ok()?;
            group |= index << (18 - 6 * i);
        }
        let [_, first, second, third] = group.to_be_bytes();
        bytes.extend_from_slice(&[first, second, third][..used - 1]);
    }
    // Re-encoding refuses stray bits, `=` in the middle and text after padding.
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips() {
        let bytes: Vec<u8> = (0..=255).collect();
        for end in 0..bytes.len() {
            assert_eq!(decode(&encode(&bytes[..end])).unwrap(), &bytes[..end]);
        }
        assert_eq!(encode(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    }

    #[test]
    fn a_second_spelling_is_refused() {
        for bad in ["YQ", "YR==", "YQ==YQ==", "Y===", "Y Q=", "===="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
