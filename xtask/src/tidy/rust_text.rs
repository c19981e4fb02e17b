//! Rust sources with their comments and literals blanked, so that a rule which
//! looks for a word meets it in code alone. Not a parser: the compiler checks
//! the rest.

/// The same text with every comment, string and character replaced by spaces.
/// Lines and offsets stay where they were.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + literal_or_comment(bytes, at).unwrap_or(0);
        if end == at {
            code.push(bytes[at]);
            at += 1;
        } else {
            code.extend(
                bytes[at..end].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }),
            );
            at = end;
        }
    }
    // Only whole characters were kept or blanked, so this changes nothing.
    String::from_utf8_lossy(&code).into_owned()
}

/// The length of what starts here, if it is a comment or a literal.
fn literal_or_comment(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => Some(rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(block_comment(rest)),
        [b'"', ..] => Some(string(rest)),
        [b'r', b'"' | b'#', ..] if starts_word => raw_string(rest, 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if starts_word => raw_string(rest, 2),
        [b'\'', ..] => character(rest),
        _ => None,
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn block_comment(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `None` where the hashes belong to a raw identifier such as `r#type`.
fn raw_string(bytes: &[u8], prefix: usize) -> Option<usize> {
    let hashes = bytes[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let body = prefix + hashes + 1;
    if bytes.get(body - 1) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(1 + hashes, b'#');
    let found = bytes[body..].windows(closing.len()).position(|window| window == closing);
    Some(found.map_or(bytes.len(), |offset| body + offset + closing.len()))
}

/// `None` where the quote starts a lifetime.
fn character(bytes: &[u8]) -> Option<usize> {
    if bytes.get(1) == Some(&b'\\') {
        let closing = bytes.iter().skip(3).position(|&byte| byte == b'\'')?;
        return Some(closing + 4);
    }
    // One character is at most four bytes.
    let closing = (2..=5).find(|&at| bytes.get(at) == Some(&b'\''))?;
    let inner = std::str::from_utf8(&bytes[1..closing]).ok()?;
    (inner.chars().count() == 1).then_some(closing + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_literals_and_nothing_else() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x\\\"y\", z)", "f(      , z)"),
            ("r#\"a\"b\"# + r\"c\"", "         +     "),
            ("br##\"a\"# \"## b", "             b"),
            ("let r#type = 1;", "let r#type = 1;"),
            ("<'a>('b', '\\'', '\\u{e9}', '\u{e9}')", "<'a>(   ,     ,         ,     )"),
            ("for\"x\"", "for   "),
            ("\"never closed", "             "),
        ] {
            let code = code_only(text);
            // A blanked character of two bytes is two spaces.
            assert_eq!(code.trim_end(), expected.trim_end(), "{text}");
            assert_eq!(code.len(), text.len(), "{text}");
        }
    }
}
