/// One member of a structured field (RFC 9651), with the parameters that mean
/// something to a limit.
///
/// The drafts changed from a dictionary (`limit=100, reset=5`) to a list
/// (`"default";r=50;t=30`), and no member of the one can be taken for one of
/// the other, so one grammar reads both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// The item of a list, or the key of a dictionary.
    pub(super) label: Item<'a>,
    /// What the key stands for.
    pub(super) value: Option<Item<'a>>,
    /// `q`
    pub(super) quota: Option<u64>,
    /// `w`, in seconds
    pub(super) window: Option<u64>,
    /// `r`
    pub(super) remaining: Option<u64>,
    /// `t`, in seconds
    pub(super) reset: Option<u64>,
    /// `qu`
    pub(super) unit: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// An integer that is not negative, or a decimal without its fraction.
    Number(u64),
    /// A token, or the inside of a string with its escapes.
    Text(&'a [u8]),
    /// An item of another type.
    #[default]
    Other,
}

impl Item<'_> {
    pub(super) fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

/// The members of the field `value`; none at all if any of them is malformed,
/// as the drafts demand.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = Member<'_>> {
    // Read twice, so that nothing has to be kept.
    let sound = Members { rest: Some(value) }.all(|member| member.is_some());
    Members { rest: sound.then_some(value) }.flatten()
}

/// Yields `None` for a malformed member, and ends there.
struct Members<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Members<'a> {
    type Item = Option<Member<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor(self.rest.take()?);
        let member = cursor.member();
        self.rest = cursor.eat(b',').then_some(cursor.0);
        // What follows a member is a comma or nothing.
        Some(member.filter(|_| self.rest.is_some() || cursor.0.is_empty()))
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn member(&mut self) -> Option<Member<'a>> {
        self.skip_spaces();
        let mut member = Member { label: self.item()?, ..Member::default() };
        if self.eat(b'=') {
            member.value = Some(self.item()?);
        }
        self.skip_spaces();
        while self.eat(b';') {
            self.skip_spaces();
            let key = self.take_while(is_token);
            if key.is_empty() {
                return None;
            }
            // A parameter without a value is a boolean.
            let value = if self.eat(b'=') { self.item()? } else { Item::Other };
            // The last one counts, says the grammar.
            match key {
                b"q" => member.quota = value.number(),
                b"w" => member.window = value.number(),
                b"r" => member.remaining = value.number(),
                b"t" => member.reset = value.number(),
                b"qu" => member.unit = if let Item::Text(unit) = value { Some(unit) } else { None },
                _ => {}
            }
            self.skip_spaces();
        }
        Some(member)
    }

    fn item(&mut self) -> Option<Item<'a>> {
        match *self.0.first()? {
            b'0'..=b'9' => self.number().map(Item::Number),
            // A negative number, and a date.
            b'-' | b'@' => {
                if self.bump() == Some(b'@') {
                    self.eat(b'-');
                }
                self.number().map(|_| Item::Other)
            }
            b'"' => self.string().map(Item::Text),
            // A string that is not ASCII.
            b'%' => {
                self.bump();
                self.string().map(|_| Item::Other)
            }
            b':' => {
                self.bump();
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.eat(b':').then_some(Item::Other)
            }
            b'?' => {
                self.bump();
                (self.eat(b'0') || self.eat(b'1')).then_some(Item::Other)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'*' => Some(Item::Text(self.take_while(is_token))),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return None;
        }
        if self.eat(b'.') && self.take_while(|byte| byte.is_ascii_digit()).is_empty() {
            return None;
        }
        let add = |number: u64, digit: &u8| {
            number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        };
        Some(digits.iter().fold(0, add))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.eat(b'"') {
            return None;
        }
        let start = self.0;
        loop {
            match self.bump()? {
                b'"' => return start.get(..start.len() - self.0.len() - 1),
                b'\\' => {
                    self.bump().filter(|byte| matches!(byte, b'"' | b'\\'))?;
                }
                b' '..=b'~' => {}
                _ => return None,
            }
        }
    }

    fn take_while(&mut self, of_it: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !of_it(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn skip_spaces(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.bump();
        }
        found
    }

    fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<Member<'_>> {
        members(value.as_bytes()).collect()
    }

    #[test]
    fn policies_are_read_with_their_parameters() {
        let daily = Member {
            label: Item::Text(b"daily"),
            quota: Some(1_000),
            window: Some(86_400),
            ..Member::default()
        };
        let bytes = Member {
            label: Item::Text(b"per \\\"user\\\""),
            quota: Some(65_535),
            window: Some(10),
            unit: Some(b"content-bytes"),
            ..Member::default()
        };
        let field = r#""daily"; q=1000;w=86400,	"per \"user\"" ;q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:;acme-burst;x=?1;y=-3;z=@-7;n=%"%c3%bc""#;
        assert_eq!(read(field), [daily, bytes]);
    }

    #[test]
    fn lists_of_numbers_and_dictionaries_are_read_too() {
        let number = |number| Member { label: Item::Number(number), ..Member::default() };
        let minute = Member { window: Some(60), ..number(50) };
        assert_eq!(read("10, 50;w=60;comment=\"fixed window\""), [number(10), minute]);
        assert_eq!(read("598.7"), [number(598)]);
        assert_eq!(read("99999999999999999999"), [number(u64::MAX)]);
        let limit = Member {
            label: Item::Text(b"limit"),
            value: Some(Item::Number(100)),
            ..Member::default()
        };
        assert_eq!(read("limit=100"), [limit]);
    }

    #[test]
    fn the_last_of_two_parameters_counts() {
        assert_eq!(read("a;r=1;r=2")[0].remaining, Some(2));
        assert_eq!(read("a;r=1;r=x")[0].remaining, None);
    }

    #[test]
    fn a_number_is_not_negative() {
        assert_eq!(read("-1")[0].label, Item::Other);
        assert_eq!(read("a;r=-1")[0].remaining, None);
    }

    #[test]
    fn one_malformed_member_makes_the_whole_field_say_nothing() {
        for field in [
            "",
            " ",
            ",",
            "10,",
            ",10",
            "10 20",
            "10/minute",
            "1e400",
            "+5",
            "--5",
            "5.",
            "-",
            "NaN 1",
            "\"open",
            "\"bad \\escape\"",
            "\"new\nline\"",
            "\"\u{fc}\"",
            ":base64",
            "?2",
            "@",
            "%x",
            "(1 2)",
            "a;",
            "a;=1",
            "a;r=",
            "a=",
            "a;r=1;;t=2",
            "\u{fc}",
        ] {
            assert_eq!(read(field), [], "{field}");
            assert_eq!(read(&format!("\"sound\";r=1, {field}")), [], "{field}");
        }
    }
}
