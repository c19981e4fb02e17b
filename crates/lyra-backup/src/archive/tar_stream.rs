//! The tar stream of an archive, decoded frame by frame.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Take};

use zstd::stream::read::Decoder;

use super::{Archive, CHUNK, WINDOW_LOG_MAX, decode_error};
use crate::error::{IoAt as _, Result};
use crate::format::{BLOCK, padding};

/// The decoded tar stream, frame by frame, with the digest of the compressed bytes.
pub(super) struct TarStream<'a> {
    archive: &'a Archive,
    /// Between two frames; inside one, the decoder holds it.
    idle: Option<HashingReader>,
    decoder: Option<Decoder<'static, BufReader<Take<HashingReader>>>>,
    next_frame: usize,
    pub(super) left_in_frame: u64,
    at_boundary: bool,
}

impl<'a> TarStream<'a> {
    pub(super) fn new(archive: &'a Archive) -> Result<Self> {
        let mut file = archive.file.try_clone().at("open", &archive.path)?;
        file.seek(SeekFrom::Start(0)).at("read", &archive.path)?;
        Ok(Self {
            archive,
            idle: Some(HashingReader { file, hasher: blake3::Hasher::new() }),
            decoder: None,
            next_frame: 0,
            left_in_frame: 0,
            at_boundary: true,
        })
    }

    pub(super) fn read_exact(&mut self, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            if self.left_in_frame == 0 {
                self.begin_frame()?;
            }
            self.at_boundary = false;
            let want = out.len().min(usize::try_from(self.left_in_frame).unwrap_or(usize::MAX));
            let (head, rest) = out.split_at_mut(want);
            let Some(decoder) = &mut self.decoder else {
                return Err(self.archive.corrupt("it ends too early"));
            };
            decoder.read_exact(head).map_err(|e| decode_error(e, &self.archive.path))?;
            self.left_in_frame -= want as u64;
            out = rest;
            if self.left_in_frame == 0 {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    fn begin_frame(&mut self) -> Result<()> {
        // The last frame holds the manifest, which is compared as a whole.
        let members_end = self.archive.table.frames.len() - 1;
        if self.next_frame >= members_end {
            return Err(self.archive.corrupt("it ends before all members were read"));
        }
        if !self.at_boundary {
            return Err(self.archive.corrupt("a frame begins inside a member"));
        }
        self.open_frame()
    }

    fn open_frame(&mut self) -> Result<()> {
        let (Some(frame), Some(reader)) =
            (self.archive.table.frames.get(self.next_frame), self.idle.take())
        else {
            return Err(self.archive.corrupt("it ends too early"));
        };
        let input = BufReader::with_capacity(CHUNK, reader.take(frame.compressed));
        let mut decoder = Decoder::with_buffer(input)
            .map_err(|e| decode_error(e, &self.archive.path))?
            .single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(|e| decode_error(e, &self.archive.path))?;
        self.decoder = Some(decoder);
        self.left_in_frame = frame.decoded;
        self.next_frame += 1;
        Ok(())
    }

    /// A frame ends where the table says, in what it holds and in what it takes.
    fn end_frame(&mut self) -> Result<()> {
        let Some(mut decoder) = self.decoder.take() else {
            return Ok(());
        };
        // Reading past the content is what makes zstd compare its checksum.
        let more = decoder.read(&mut [0]).map_err(|e| decode_error(e, &self.archive.path))?;
        let input = decoder.finish();
        let unread = !input.buffer().is_empty() || input.get_ref().limit() != 0;
        if more != 0 || unread {
            return Err(self.archive.corrupt("a frame differs from the seek table"));
        }
        self.idle = Some(input.into_inner().into_inner());
        Ok(())
    }

    /// The next byte is the first of a member, so a frame may begin with it.
    pub(super) fn member_begins(&mut self) {
        self.at_boundary = true;
    }

    pub(super) fn frames_left(&self) -> usize {
        self.archive.table.frames.len() - self.next_frame
    }

    pub(super) fn expect_bytes(&mut self, expected: &[u8], what: &str) -> Result<()> {
        let mut found = vec![0; expected.len()];
        self.read_exact(&mut found)?;
        if found == expected { Ok(()) } else { Err(self.archive.corrupt(what)) }
    }

    pub(super) fn expect_padding(&mut self, size: u64) -> Result<()> {
        let mut block = [0; BLOCK];
        let count = padding(size);
        self.read_exact(&mut block[..count])?;
        if block.iter().all(|b| *b == 0) {
            Ok(())
        } else {
            Err(self.archive.corrupt("the padding of a member is not zero"))
        }
    }

    /// The last frame must still be what it was when the manifest was read from it.
    pub(super) fn expect_manifest_frame(&mut self, expected: blake3::Hash) -> Result<()> {
        self.open_frame()?;
        let mut hasher = blake3::Hasher::new();
        let mut chunk = vec![0; CHUNK];
        while self.left_in_frame > 0 {
            let count = chunk.len().min(usize::try_from(self.left_in_frame).unwrap_or(CHUNK));
            self.read_exact(&mut chunk[..count])?;
            hasher.update(&chunk[..count]);
        }
        if hasher.finalize() == expected {
            Ok(())
        } else {
            Err(self.archive.corrupt("it changed while it was read"))
        }
    }

    pub(super) fn into_hasher(self) -> Result<blake3::Hasher> {
        match self.idle {
            Some(reader) => Ok(reader.hasher),
            None => Err(self.archive.corrupt("a frame was not read to its end")),
        }
    }
}

/// Digests the compressed bytes as they are read.
struct HashingReader {
    file: File,
    hasher: blake3::Hasher,
}

impl Read for HashingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buf)?;
        self.hasher.update(&buf[..count]);
        Ok(count)
    }
}
