//! The data set: real sentence embeddings, and mixtures of them beyond.
//!
//! A row beyond the real ones is the weighted mean of two of them with a
//! little noise, brought to unit length: mixtures lie among the real ones as
//! these lie among each other, which random directions do not.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::DIMENSION;
use crate::harness::Shuffle;

/// Rows beyond the size, for what is inserted one by one.
pub(super) const SPARE: usize = 1_000;
/// How long the noise is beside a vector of length 1.
const NOISE: f64 = 0.05;
const SEED: u64 = 384;

const VECTORS: &str = "vectors.f32";
const QUERIES: &str = "queries.f32";
const ROWS: &str = "rows.tsv";

/// What an entry has beside its vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bucket: usize,
    pub(super) group: usize,
    pub(super) text: String,
}

pub(super) struct Data {
    pub(super) size: usize,
    folder: PathBuf,
    pub(super) vectors: Vec<f32>,
    pub(super) queries: Vec<f32>,
    pub(super) lines: Vec<Line>,
}

impl Data {
    /// Makes `size` rows and the spare ones from `source`, and writes them
    /// into `folder`, where the contenders read them.
    pub(super) fn create(source: &Path, folder: &Path, size: usize) -> Result<Self, String> {
        let real = halves(&source.join("base.f16"))?;
        let texts = texts(&source.join("texts.tsv"))?;
        if texts.len() * DIMENSION != real.len() {
            return Err("texts.tsv and base.f16 have not as many rows".to_owned());
        }
        let queries = halves(&source.join("queries.f16"))?;
        let (vectors, lines) = mixed(&real, &texts, size + SPARE);
        let data = Self { size, folder: folder.to_owned(), vectors, queries, lines };
        data.write().map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(data)
    }

    fn write(&self) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for (name, numbers) in [(VECTORS, &self.vectors), (QUERIES, &self.queries)] {
            let mut file = BufWriter::new(File::create(self.folder.join(name))?);
            for number in numbers {
                file.write_all(&number.to_le_bytes())?;
            }
            file.flush()?;
        }
        let mut file = BufWriter::new(File::create(self.folder.join(ROWS))?);
        for Line { bucket, group, text } in &self.lines {
            writeln!(file, "{bucket}\t{group}\t{text}")?;
        }
        file.flush()
    }
}

pub(super) fn written_vectors(folder: &Path) -> Result<Vec<f32>, String> {
    floats(&folder.join(VECTORS))
}

pub(super) fn written_queries(folder: &Path) -> Result<Vec<f32>, String> {
    floats(&folder.join(QUERIES))
}

pub(super) fn written_lines(folder: &Path) -> Result<Vec<Line>, String> {
    let path = folder.join(ROWS);
    let text = fs::read_to_string(&path).map_err(|error| unusable(&path, &error))?;
    let line = |line: &str| {
        let mut fields = line.splitn(3, '\t');
        let mut number = || fields.next()?.parse().ok();
        let (bucket, group) = (number()?, number()?);
        Some(Line { bucket, group, text: fields.next()?.to_owned() })
    };
    text.lines().map(line).collect::<Option<_>>().ok_or_else(|| "rows.tsv is damaged".to_owned())
}

/// The real rows first, then mixtures, `count` in all.
fn mixed(real: &[f32], texts: &[String], count: usize) -> (Vec<f32>, Vec<Line>) {
    let row = |at: u64| &real[at as usize * DIMENSION..][..DIMENSION];
    let mut random = Shuffle::new(SEED);
    let mut vectors = Vec::with_capacity(count * DIMENSION);
    let mut lines = Vec::with_capacity(count);
    for at in 0..count {
        let text = match texts.get(at) {
            Some(text) => {
                vectors.extend_from_slice(row(at as u64));
                text
            }
            None => {
                let (one, other) =
                    (random.below(texts.len() as u64), random.below(texts.len() as u64));
                let weight = 0.3 + 0.4 * random.share();
                let noise = NOISE * (12.0 / DIMENSION as f64).sqrt();
                let sums = row(one).iter().zip(row(other)).map(|(&one, &other)| {
                    let mean = weight * f64::from(one) + (1.0 - weight) * f64::from(other);
                    mean + noise * (random.share() - 0.5)
                });
                let sums: Vec<f64> = sums.collect();
                vectors.extend(of_unit_length(&sums));
                &texts[one as usize]
            }
        };
        let (bucket, group) = (random.below(100) as usize, random.below(10) as usize);
        lines.push(Line { bucket, group, text: text.clone() });
    }
    (vectors, lines)
}

fn of_unit_length(vector: &[f64]) -> impl Iterator<Item = f32> {
    let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
    vector.iter().map(move |number| (number / length) as f32)
}

/// Half floats as vectors of unit length.
fn halves(path: &Path) -> Result<Vec<f32>, String> {
    let bytes = fs::read(path).map_err(|error| unusable(path, &error))?;
    let numbers: Vec<f64> = bytes.as_chunks().0.iter().map(|two| half(*two)).collect();
    if numbers.is_empty() || !numbers.len().is_multiple_of(DIMENSION) {
        return Err(format!("{} holds no rows of {DIMENSION} halves", path.display()));
    }
    Ok(numbers.chunks(DIMENSION).flat_map(of_unit_length).collect())
}

/// IEEE 754: a sign, 5 bits of exponent, 10 of fraction. Infinity and what is
/// no number are not in the data.
fn half(bytes: [u8; 2]) -> f64 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    let size = match exponent {
        0 => fraction * (-14_f64).exp2(),
        _ => (1.0 + fraction) * f64::from(exponent - 15).exp2(),
    };
    if bits >> 15 == 1 { -size } else { size }
}

fn floats(path: &Path) -> Result<Vec<f32>, String> {
    let bytes = fs::read(path).map_err(|error| unusable(path, &error))?;
    Ok(bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
}

/// The last column; one line each, and none of them empty.
fn texts(path: &Path) -> Result<Vec<String>, String> {
    let table = fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
    let text = |line: &str| {
        let last = line.splitn(6, '\t').nth(5).unwrap_or_default();
        let clean = last.replace(char::is_control, " ");
        if clean.trim().is_empty() { "-".to_owned() } else { clean }
    };
    Ok(table.trim_end_matches('\n').split('\n').skip(1).map(text).collect())
}

fn unusable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read() {
        for (bits, number) in [
            (0x3c00_u16, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x0001, (-24_f64).exp2()),
            (0x8000, 0.0),
        ] {
            assert_eq!(half(bits.to_le_bytes()), number);
        }
    }

    #[test]
    fn mixtures_are_the_same_each_time_and_of_unit_length() {
        let real: Vec<f64> = (0..3 * DIMENSION).map(|at| (at as f64).sin()).collect();
        let real: Vec<f32> = real.chunks(DIMENSION).flat_map(of_unit_length).collect();
        let texts = ["a", "b", "c"].map(str::to_owned);
        let (vectors, lines) = mixed(&real, &texts, 50);
        assert_eq!((&vectors, &lines), (&mixed(&real, &texts, 50).0, &mixed(&real, &texts, 50).1));
        assert_eq!(vectors[..real.len()], real);
        for row in vectors.chunks(DIMENSION) {
            let squared: f64 = row.iter().map(|&number| f64::from(number).powi(2)).sum();
            assert!((squared - 1.0).abs() < 1e-6, "{squared}");
        }
    }
}
