//! Text as JSON has it, which is also safe to show on a terminal.

use crate::format::is_control;

pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

pub(super) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut at = plain(bytes);
    while at < bytes.len() {
        let escape = ESCAPES[usize::from(bytes[at])];
        if escape == 0 {
            at += 1;
            continue;
        }
        let length = if escape == LOOK {
            // Beyond ASCII only some characters are escaped, and all of those
            // begin with one of a few bytes.
            let Some(c) = text[at..].chars().next() else { break };
            if !is_control(c) {
                at += c.len_utf8();
                continue;
            }
            out.extend_from_slice(&bytes[done..at]);
            unicode(out, c);
            c.len_utf8()
        } else {
            out.extend_from_slice(&bytes[done..at]);
            out.extend_from_slice(&[b'\\', escape]);
            1
        };
        at += length;
        done = at;
        at += plain(&bytes[at..]);
    }
    out.extend_from_slice(&bytes[done..]);
}

/// How many bytes at the beginning surely stay as they are, eight at a time.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let looks_plain = |eight: &[u8]| {
        let eight = u64::from_le_bytes(eight.try_into().unwrap_or([0; 8]));
        let below_space = eight.wrapping_sub(ONES * 0x20);
        let from_delete = eight | eight.wrapping_add(ONES);
        let quote = (eight ^ (ONES * 0x22)).wrapping_sub(ONES);
        let backslash = (eight ^ (ONES * 0x5c)).wrapping_sub(ONES);
        (below_space | from_delete | quote | backslash) & (ONES * 0x80) == 0
    };
    bytes.chunks_exact(8).take_while(|eight| looks_plain(eight)).count() * 8
}

/// All of them are below U+10000, so one escape is enough.
fn unicode(out: &mut Vec<u8>, c: char) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u32| HEX[((u32::from(c) >> shift) & 15) as usize];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// The byte may begin a character that is escaped as `\u….`.
const LOOK: u8 = 1;

/// What stands behind the backslash, `LOOK`, or 0 for a byte that stays.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        escapes[control] = LOOK;
        control += 1;
    }
    escapes[0x7f] = LOOK;
    escapes[0xc2] = LOOK; // U+0080 to U+009F
    escapes[0xe2] = LOOK; // U+2028 and its like
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[b'\t' as usize] = b't';
    escapes[8] = b'b';
    escapes[12] = b'f';
    escapes
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back_and_shows_no_control_character(
            text in "(?s).{0,60}|[\u{0}-\u{ff}\u{2020}-\u{2070}\"\\\\]{0,60}",
        ) {
            let mut out = Vec::new();
            quoted(&mut out, &text);
            let shown = String::from_utf8(out).unwrap();
            prop_assert!(!shown.contains(is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
