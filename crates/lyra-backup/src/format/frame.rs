//! Writes a tar stream as independent zstd frames that end at member boundaries.

use std::io::{self, Write};

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

use super::FRAME_BYTES;
use super::seek_table::{Frame, SeekTable};

/// Compresses what is written to it, and remembers where each frame lies.
pub(crate) struct FrameWriter<W> {
    out: W,
    encoder: Encoder<'static>,
    buffer: Vec<u8>,
    current: Frame,
    table: SeekTable,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(out: W, level: i32) -> io::Result<Self> {
        let mut encoder = Encoder::new(level)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        // One worker overlaps compression with reading and hashing; jobs
        // smaller than a frame are what makes the overlap happen within one.
        encoder.set_parameter(CParameter::NbWorkers(1))?;
        encoder.set_parameter(CParameter::JobSize(2 << 20))?;
        Ok(Self {
            out,
            encoder,
            buffer: vec![0; 128 << 10],
            current: Frame { compressed: 0, decoded: 0 },
            table: SeekTable::default(),
        })
    }

    /// Called before each member: ends the frame when `upcoming` more bytes would overfill it.
    pub(crate) fn member_boundary(&mut self, upcoming: u64) -> io::Result<()> {
        let filled = self.current.decoded;
        if filled > 0 && filled.saturating_add(upcoming) > FRAME_BYTES {
            self.end_frame()?;
        }
        Ok(())
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            self.encoder.run(&mut input, &mut output)?;
            let count = output.pos();
            self.emit(count)?;
        }
        self.current.decoded += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn end_frame(&mut self) -> io::Result<()> {
        if self.current.decoded == 0 {
            return Ok(());
        }
        loop {
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            let left = self.encoder.finish(&mut output, true)?;
            let count = output.pos();
            self.emit(count)?;
            if left == 0 {
                break;
            }
        }
        self.encoder.reinit()?;
        self.table.frames.push(self.current);
        self.current = Frame { compressed: 0, decoded: 0 };
        Ok(())
    }

    /// Ends the last frame and hands over the table.
    pub(crate) fn finish(mut self) -> io::Result<(W, SeekTable)> {
        self.end_frame()?;
        Ok((self.out, self.table))
    }

    fn emit(&mut self, count: usize) -> io::Result<()> {
        self.out.write_all(&self.buffer[..count])?;
        self.current.compressed += count as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_decode_alone_and_end_where_the_table_says() {
        let mut writer = FrameWriter::new(Vec::new(), 3).unwrap();
        let member = vec![b'm'; 5 << 20];
        for _ in 0..3 {
            writer.member_boundary(member.len() as u64).unwrap();
            writer.write_all(&member).unwrap();
        }
        let (bytes, table) = writer.finish().unwrap();
        assert_eq!(table.frames.len(), 3);
        let mut at = 0;
        for frame in &table.frames {
            let end = at + usize::try_from(frame.compressed).unwrap();
            assert_eq!(zstd::decode_all(&bytes[at..end]).unwrap(), member);
            at = end;
        }
        assert_eq!(at, bytes.len());
    }
}
