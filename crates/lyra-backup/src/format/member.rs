//! One tar member's header blocks: a PAX extended header, then a ustar header.
//!
//! A header is a function of what the manifest says about the member, so a
//! reader regenerates it and compares bytes instead of interpreting them: no
//! path, link or size ever comes from a tar header.

use tar::{EntryType, Header};

use super::{BLOCK, PAX_LIMIT, padding};

/// Eleven octal digits: what a ustar number field holds.
const OCTAL_LIMIT: u64 = 1 << 33;
/// The name field of the extended headers. Only readers without PAX would show it.
const PAX_NAME: &[u8] = b"PaxHeaders/member";
/// Keys that a later version may add to a member without changing what it means here.
const OPTIONAL_PAX: [&[u8]; 2] = [b"SCHILY.xattr.", b"LYRA."];

/// What the headers of one member say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    /// The whole path in the archive, with the root directory.
    pub(crate) path: &'a [u8],
    pub(crate) kind: MemberKind<'a>,
    pub(crate) mode: u32,
    pub(crate) mtime_ns: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum MemberKind<'a> {
    Directory,
    File { size: u64 },
    Symlink { target: &'a [u8] },
}

impl Member<'_> {
    /// The blocks that stand before the content.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let records = self.pax_records();
        let mut blocks = Vec::with_capacity(BLOCK * 2 + records.len() + BLOCK);
        blocks.extend_from_slice(&pax_header(records.len() as u64));
        blocks.extend_from_slice(&records);
        blocks.resize(blocks.len() + padding(records.len() as u64), 0);
        blocks.extend_from_slice(&self.ustar_header());
        blocks
    }

    /// The canonical records, in this order: path, linkpath, size, mtime.
    pub(crate) fn pax_records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let path = self.tar_path();
        if path.len() > 100 {
            push_record(&mut records, "path", &path);
        }
        match self.kind {
            MemberKind::Symlink { target } if target.len() > 100 => {
                push_record(&mut records, "linkpath", target);
            }
            MemberKind::File { size } if size >= OCTAL_LIMIT => {
                push_record(&mut records, "size", size.to_string().as_bytes());
            }
            _ => {}
        }
        push_record(&mut records, "mtime", decimal_seconds(self.mtime_ns).as_bytes());
        records
    }

    pub(crate) fn ustar_header(&self) -> [u8; BLOCK] {
        let (kind, size, link) = match self.kind {
            MemberKind::Directory => (EntryType::Directory, 0, &b""[..]),
            // A size that doesn't fit stands in the PAX record alone.
            MemberKind::File { size } => {
                (EntryType::Regular, if size < OCTAL_LIMIT { size } else { 0 }, &b""[..])
            }
            MemberKind::Symlink { target } => (EntryType::Symlink, 0, target),
        };
        let seconds = u64::try_from(self.mtime_ns.div_euclid(1_000_000_000)).unwrap_or(0);
        let mut header = blank_header(kind, size);
        header.set_mode(self.mode & 0o7777);
        header.set_mtime(seconds.min(OCTAL_LIMIT - 1));
        let fields = header.as_old_mut();
        fill(&mut fields.name, &self.tar_path());
        fill(&mut fields.linkname, link);
        header.set_cksum();
        *header.as_bytes()
    }

    /// Directories end in a slash, which is how old readers tell them.
    fn tar_path(&self) -> Vec<u8> {
        let mut path = self.path.to_vec();
        if matches!(self.kind, MemberKind::Directory) {
            path.push(b'/');
        }
        path
    }
}

/// The header block of an extended header that holds `size` bytes of records.
pub(crate) fn pax_header(size: u64) -> [u8; BLOCK] {
    let mut header = blank_header(EntryType::XHeader, size);
    header.set_mode(0o644);
    header.set_mtime(0);
    fill(&mut header.as_old_mut().name, PAX_NAME);
    header.set_cksum();
    *header.as_bytes()
}

/// The size that an extended header's block declares, when the block is canonical.
pub(crate) fn pax_size(block: &[u8; BLOCK]) -> Result<u64, &'static str> {
    let header = Header::from_byte_slice(block);
    if header.entry_type() != EntryType::XHeader {
        return Err("a member does not begin with its extended header");
    }
    let size = header.entry_size().map_err(|_| "an extended header has no size")?;
    if size > PAX_LIMIT {
        return Err("an extended header is larger than 64 KiB");
    }
    if *block != pax_header(size) {
        return Err("an extended header is not in canonical form");
    }
    Ok(size)
}

/// Checks the records of a member that should be `member`.
pub(crate) fn check_records(found: &[u8], member: &Member<'_>) -> Result<(), &'static str> {
    let Some(extra) = found.strip_prefix(member.pax_records().as_slice()) else {
        return Err("its extended header differs from the manifest");
    };
    let mut rest = extra;
    while !rest.is_empty() {
        let (key, after) = split_record(rest).ok_or("its extended header is malformed")?;
        if !OPTIONAL_PAX.iter().any(|known| key.starts_with(known)) {
            return Err("its extended header holds a record that is not allowed");
        }
        rest = after;
    }
    Ok(())
}

/// The key of the first record, and what follows the record. A value may hold
/// any byte, newlines too, so only the length tells where it ends.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = records.iter().position(|b| *b == b' ')?;
    let len: usize = std::str::from_utf8(&records[..digits]).ok()?.parse().ok()?;
    let (record, after) = records.split_at_checked(len)?;
    let body = record.get(digits + 1..)?.strip_suffix(b"\n")?;
    let key = &body[..body.iter().position(|b| *b == b'=')?];
    (record_len(body.len() + 2) == len).then_some((key, after))
}

fn blank_header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}

fn fill(field: &mut [u8; 100], bytes: &[u8]) {
    let count = bytes.len().min(field.len());
    field[..count].copy_from_slice(&bytes[..count]);
}

fn push_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let len = record_len(key.len() + value.len() + 3);
    records.extend_from_slice(format!("{len} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// A record's length counts its own digits.
fn record_len(body: usize) -> usize {
    let mut len = body + 1;
    while body + len.to_string().len() > len {
        len += 1;
    }
    len
}

/// Seconds with nine decimals, as PAX writes times.
fn decimal_seconds(ns: i64) -> String {
    let magnitude = ns.unsigned_abs();
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{}.{:09}", magnitude / 1_000_000_000, magnitude % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &[u8]) -> Member<'_> {
        Member { path, kind: MemberKind::File { size: 3 }, mode: 0o644, mtime_ns: -1_500_000_000 }
    }

    #[test]
    fn the_tar_crate_reads_what_is_written() {
        let long = [b'x'; 300];
        let mut bytes = file(&long).encode();
        bytes.extend_from_slice(b"abc");
        bytes.resize(bytes.len() + padding(3) + 1024, 0);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        assert_eq!(&*entry.path_bytes(), long);
        assert_eq!(entry.size(), 3);
        let pax: Vec<_> = entry
            .pax_extensions()
            .unwrap()
            .unwrap()
            .map(|r| {
                let r = r.unwrap();
                (r.key().unwrap().to_owned(), r.value().unwrap().to_owned())
            })
            .collect();
        assert!(pax.contains(&("mtime".into(), "-1.500000000".into())), "{pax:?}");
        assert!(entries.next().is_none());
    }

    #[test]
    fn record_lengths_count_their_own_digits() {
        for value in [0, 1, 86, 87, 88, 89, 90, 984, 985, 986, 9_980, 9_981] {
            let mut records = Vec::new();
            push_record(&mut records, "path", &vec![b'v'; value]);
            let declared: usize =
                std::str::from_utf8(&records[..records.iter().position(|b| *b == b' ').unwrap()])
                    .unwrap()
                    .parse()
                    .unwrap();
            assert_eq!(declared, records.len());
        }
    }

    #[test]
    fn records_of_later_versions_are_tolerated_and_others_are_not() {
        let member = file(b"a/b");
        let mut records = member.pax_records();
        push_record(&mut records, "SCHILY.xattr.user.note", b"hello\nworld=1");
        assert_eq!(check_records(&records, &member), Ok(()));
        for key in ["path", "size", "GNU.sparse.major"] {
            let mut records = member.pax_records();
            push_record(&mut records, key, b"1");
            assert!(check_records(&records, &member).is_err(), "{key}");
        }
        let mut cut = records.clone();
        cut.pop();
        assert!(check_records(&cut, &member).is_err());
        records.extend_from_slice(b"12");
        assert!(check_records(&records, &member).is_err());
    }

    #[test]
    fn sizes_beyond_the_octal_field_move_to_pax() {
        let big = Member { kind: MemberKind::File { size: OCTAL_LIMIT }, ..file(b"x") };
        let text = String::from_utf8(big.pax_records()).unwrap();
        assert!(text.contains(" size=8589934592\n"), "{text}");
        assert_eq!(Header::from_byte_slice(&big.ustar_header()).size().unwrap(), 0);
    }
}
