//! The last, skippable frame: where each frame lies, and the digest of all before it.

use super::BLOCK;

/// One of the sixteen magics that zstd decoders skip.
const SKIPPABLE_MAGIC: u32 = 0x184D_2A5C;
/// Ends the payload, before the digest.
const FOOTER_MAGIC: &[u8; 8] = b"LYRASEEK";
const VERSION: u32 = 1;
const ROW: u64 = 16;
/// Count, version, magic, digest.
pub(crate) const FOOTER_BYTES: u64 = 4 + 4 + 8 + 32;
/// Skippable magic and payload size.
const FRAME_HEADER_BYTES: u64 = 8;
/// An archive of frames of 8 MiB reaches 8 TiB with these.
const MAX_FRAMES: u64 = 1 << 20;

/// One compressed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) compressed: u64,
    pub(crate) decoded: u64,
}

/// The frames of an archive, in order; the last one holds the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeekTable {
    pub(crate) frames: Vec<Frame>,
}

impl SeekTable {
    /// The whole skippable frame but for the digest that ends it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        let payload = u64::from(count) * ROW + FOOTER_BYTES;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(payload).unwrap_or(u32::MAX).to_le_bytes());
        for frame in &self.frames {
            bytes.extend_from_slice(&frame.compressed.to_le_bytes());
            bytes.extend_from_slice(&frame.decoded.to_le_bytes());
        }
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(FOOTER_MAGIC);
        bytes
    }

    /// How many bytes at the end of an archive the table takes, told by its last 48 bytes.
    pub(crate) fn encoded_bytes(footer: &[u8]) -> Result<u64, TableError> {
        let (Some(count), Some(version), Some(magic)) =
            (le_u32(footer, 0), le_u32(footer, 4), footer.get(8..16))
        else {
            return Err(TableError::Damaged("it is too short for an archive"));
        };
        if magic != FOOTER_MAGIC {
            return Err(TableError::Damaged("it does not end in a seek table"));
        }
        if version > VERSION {
            return Err(TableError::Newer(version));
        }
        if version != VERSION || count == 0 || u64::from(count) > MAX_FRAMES {
            return Err(TableError::Damaged("its seek table is out of range"));
        }
        Ok(FRAME_HEADER_BYTES + u64::from(count) * ROW + FOOTER_BYTES)
    }

    /// Reads the skippable frame `bytes` of an archive of `archive_len` bytes in all.
    pub(crate) fn decode(bytes: &[u8], archive_len: u64) -> Result<Self, TableError> {
        let damaged = TableError::Damaged("its seek table does not fit the file");
        let rows_end = bytes.len().checked_sub(usize::try_from(FOOTER_BYTES).unwrap_or(usize::MAX));
        let Some(rows) = rows_end.and_then(|end| bytes.get(8..end)) else {
            return Err(damaged);
        };
        let mut frames = Vec::with_capacity(rows.len() / 16);
        let mut total = bytes.len() as u64;
        for row in rows.chunks_exact(16) {
            let (Some(compressed), Some(decoded)) = (le_u64(row, 0), le_u64(row, 8)) else {
                return Err(damaged);
            };
            // Every frame holds at least one member, and tar counts in blocks.
            if compressed == 0 || decoded == 0 || decoded % BLOCK as u64 != 0 {
                return Err(damaged);
            }
            total = total.saturating_add(compressed);
            frames.push(Frame { compressed, decoded });
        }
        let table = Self { frames };
        let canonical = bytes.len() >= 32 && bytes[..bytes.len() - 32] == table.encode();
        if total != archive_len || !canonical {
            return Err(damaged);
        }
        Ok(table)
    }

    /// Where the last frame, which holds the manifest, begins.
    pub(crate) fn manifest_offset(&self) -> u64 {
        let all_but_last = self.frames.len().saturating_sub(1);
        self.frames[..all_but_last].iter().map(|f| f.compressed).sum()
    }
}

/// Why the end of a file is not a seek table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableError {
    Damaged(&'static str),
    Newer(u32),
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SeekTable {
        SeekTable {
            frames: vec![
                Frame { compressed: 700, decoded: 2048 },
                Frame { compressed: 90, decoded: 512 },
            ],
        }
    }

    #[test]
    fn a_table_round_trips() {
        let mut bytes = table().encode();
        bytes.extend_from_slice(&[7; 32]);
        let footer = &bytes[bytes.len() - 48..];
        assert_eq!(SeekTable::encoded_bytes(footer), Ok(bytes.len() as u64));
        let len = bytes.len() as u64 + 790;
        assert_eq!(SeekTable::decode(&bytes, len).unwrap(), table());
        assert_eq!(table().manifest_offset(), 700);
    }

    #[test]
    fn every_flipped_bit_before_the_digest_is_refused() {
        let mut bytes = table().encode();
        bytes.extend_from_slice(&[7; 32]);
        let len = bytes.len() as u64 + 790;
        for bit in 0..(bytes.len() - 32) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let footer = &flipped[flipped.len() - 48..];
            // A decoded size that stays a multiple of a block is left to the
            // digest and to the decoder, which counts what it decodes.
            if let (Ok(size), Ok(found)) =
                (SeekTable::encoded_bytes(footer), SeekTable::decode(&flipped, len))
            {
                assert!(size != bytes.len() as u64 || found != table(), "bit {bit}");
            }
        }
    }
}
