//! Archive format 1, as `FORMAT.md` writes it down.

pub(crate) mod base64;
pub(crate) mod digest;
pub(crate) mod entry;
pub(crate) mod frame;
pub(crate) mod manifest;
pub(crate) mod member;
pub(crate) mod seek_table;

/// The number that a manifest carries.
pub(crate) const FORMAT: u32 = 1;
/// The directory in an archive's root that holds what this crate adds.
pub(crate) const RESERVED_DIR: &str = ".lyra-backup";
/// A frame is closed at the next member boundary once it would hold more than this.
pub(crate) const FRAME_BYTES: u64 = 8 << 20;
/// The unit of tar.
pub(crate) const BLOCK: usize = 512;
/// PAX records of one member; Linux's longest path is 4 KiB.
pub(crate) const PAX_LIMIT: u64 = 64 << 10;
/// A manifest of a million entries stays below this.
pub(crate) const MANIFEST_LIMIT: u64 = 256 << 20;
/// How many times the size of its archive a manifest may decode to, beyond
/// [`MANIFEST_SLACK`]. Digests don't compress, so real ones stay below a twentieth of it.
pub(crate) const MANIFEST_RATIO: u64 = 200;
pub(crate) const MANIFEST_SLACK: u64 = 1 << 20;
/// `header.json` holds options and the caller's metadata only.
pub(crate) const HEADER_LIMIT: u64 = 1 << 20;

/// Zero bytes that fill up the last block of `size` bytes of content.
pub(crate) fn padding(size: u64) -> usize {
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if rest == 0 { 0 } else { BLOCK - rest }
}
