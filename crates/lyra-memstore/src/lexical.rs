use std::num::NonZeroU32;

use lyra_errors::Error;

use crate::Embedder;

/// An embedder without a model: it finds words, not meanings.
///
/// Each word, and each run of three characters within it, is hashed to one
/// place of the vector with a sign (feature hashing), so texts that share
/// words, or parts of words, are near. It is deterministic on every machine,
/// takes microseconds, knows no language and no synonyms: *river* is near
/// *rivers*, and as far from *stream* as from *thunder*.
///
/// Words count by the square root of how often they come, and short words
/// less than long ones, since in most languages the short ones say little.
#[derive(Debug, Clone)]
pub struct LexicalEmbedder {
    dimension: NonZeroU32,
    fingerprint: String,
}

impl LexicalEmbedder {
    /// The dimension that the command gives to a new collection.
    pub const DEFAULT_DIMENSION: u32 = 384;

    /// An embedder that makes vectors of that dimension.
    #[must_use]
    pub fn new(dimension: NonZeroU32) -> Self {
        Self { dimension, fingerprint: Self::fingerprint_of(dimension.get()) }
    }

    /// The embedder of that fingerprint, where it is one of ours.
    pub(crate) fn from_fingerprint(fingerprint: &str) -> Option<Self> {
        let dimension = fingerprint.strip_prefix(PREFIX)?.parse().ok()?;
        Some(Self::new(dimension)).filter(|made| made.fingerprint == fingerprint)
    }

    pub(crate) fn fingerprint_of(dimension: u32) -> String {
        format!("{PREFIX}{dimension}")
    }

    fn embed_one(&self, text: &str) -> Vec<f32> {
        let mut sums = vec![0.0_f32; self.dimension.get() as usize];
        let text = text.to_lowercase();
        let mut words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        for same in words.chunk_by(|a, b| a == b) {
            self.add_word(same[0], same.len(), &mut sums);
        }
        if sums.iter().all(|&sum| sum == 0.0) {
            // No word at all, as in "!?", or words that cancel each other out
            // to the last place: the text as a whole still has a place.
            self.add_feature("text", &text, 1.0, &mut sums);
        }
        let length = sums.iter().map(|&n| f64::from(n) * f64::from(n)).sum::<f64>().sqrt();
        for sum in &mut sums {
            #[expect(clippy::cast_possible_truncation, reason = "a part of a unit vector fits f32")]
            let part = (f64::from(*sum) / length) as f32;
            *sum = part;
        }
        sums
    }

    fn add_word(&self, word: &str, times: usize, sums: &mut [f32]) {
        // With this share a word and its plural are about a third as near as
        // the word and itself.
        const PARTS: f32 = 0.8;
        let chars: Vec<char> = word.chars().collect();
        #[expect(clippy::cast_precision_loss, reason = "counts of words are small")]
        let weight = (times as f32).sqrt() * (chars.len().min(8) as f32 / 8.0);
        self.add_feature("word", word, weight, sums);
        if chars.len() > 3 {
            #[expect(clippy::cast_precision_loss, reason = "lengths of words are small")]
            let share = weight * PARTS / ((chars.len() - 2) as f32).sqrt();
            for part in chars.windows(3) {
                self.add_feature("part", &part.iter().collect::<String>(), share, sums);
            }
        }
    }

    fn add_feature(&self, kind: &str, feature: &str, weight: f32, sums: &mut [f32]) {
        let hash = fnv1a(kind.bytes().chain([0]).chain(feature.bytes()));
        let place = hash % u64::from(self.dimension.get());
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        #[expect(clippy::cast_possible_truncation, reason = "smaller than a dimension of 32 bits")]
        let place = place as usize;
        sums[place] += sign * weight;
    }
}

const PREFIX: &str = "lyra-lexical-v1:";

/// FNV-1a with a final mix, because its high bits alone are poor. It is fixed
/// for ever: stored vectors depend on it.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

impl Embedder for LexicalEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dimension(&self) -> u32 {
        self.dimension.get()
    }

    fn max_batch(&self) -> usize {
        usize::MAX
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        Ok(texts.iter().map(|text| self.embed_one(text)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        let embedder = LexicalEmbedder::new(NonZeroU32::new(384).unwrap());
        let (a, b) = (embedder.embed_one(a), embedder.embed_one(b));
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_words_are_nearer_than_those_that_do_not() {
        let query = "the river in spring";
        let near = similarity(query, "In spring, the river rises above its banks.");
        let far = similarity(query, "The lock in the harbour was the last of its kind.");
        assert!(near > far + 0.2, "{near} {far}");
    }

    #[test]
    fn a_word_is_near_its_inflections() {
        assert!(similarity("river", "rivers") > 0.3);
        assert!(similarity("RIVER!", "river") > 0.999);
    }

    #[test]
    fn any_text_has_a_direction() {
        for text in ["!?", " ", "…", "a", "日本語のテキスト", "\u{1F600}"] {
            let own = similarity(text, text);
            assert!((own - 1.0).abs() < 1e-5, "{text}: {own}");
        }
    }

    #[test]
    fn vectors_never_change_between_versions() {
        let embedder = LexicalEmbedder::new(NonZeroU32::new(8).unwrap());
        let vector = embedder.embed_one("The river, the rivers.");
        let rounded: Vec<f32> = vector.iter().map(|n| (n * 1000.0).round()).collect();
        assert_eq!(rounded, [303.0, 673.0, -429.0, -172.0, 357.0, 0.0, -337.0, 0.0]);
    }

    #[test]
    fn a_fingerprint_leads_back_to_its_embedder() {
        let made = LexicalEmbedder::from_fingerprint("lyra-lexical-v1:384").unwrap();
        assert_eq!(made.dimension(), 384);
        for foreign in ["lyra-lexical-v2:384", "lyra-lexical-v1:0", "lyra-lexical-v1:+3", "x"] {
            assert!(LexicalEmbedder::from_fingerprint(foreign).is_none(), "{foreign}");
        }
    }
}
