use lyra_errors::Error;

/// Whatever turns texts into vectors.
///
/// A collection remembers the fingerprint of its embedder; another one is
/// refused, because vectors of two models cannot be compared. A host's own
/// model implements this in a few lines:
///
/// ```
/// use lyra_memstore::Embedder;
///
/// struct Lengths;
///
/// impl Embedder for Lengths {
///     fn fingerprint(&self) -> &str {
///         "lengths-v1"
///     }
///     fn dimension(&self) -> u32 {
///         2
///     }
///     fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, lyra_errors::Error> {
///         Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
///     }
/// }
/// ```
pub trait Embedder: Send + Sync {
    /// What identifies the model and its settings. It changes whenever the
    /// same text would give another vector.
    fn fingerprint(&self) -> &str;

    /// How many numbers each vector has.
    fn dimension(&self) -> u32;

    /// The most texts that one call takes. 64 by default.
    fn max_batch(&self) -> usize {
        64
    }

    /// One vector per text, in their order.
    ///
    /// It may block; the store calls it before it takes its write lock.
    ///
    /// # Errors
    ///
    /// Whatever the model reports. Its [`Recovery`](lyra_errors::Recovery)
    /// reaches the store's caller.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error>;
}
