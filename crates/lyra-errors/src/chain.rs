use std::error::Error as StdError;

/// An error and its causes, from the outermost to the root.
///
/// It ends after 64 links, so that a source chain that bites its own tail
/// cannot hang whoever tells the error.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    next: Option<&'a (dyn StdError + 'static)>,
    left: u8,
}

impl<'a> Chain<'a> {
    /// The chain that begins with `head`.
    #[must_use]
    pub fn new(head: Option<&'a (dyn StdError + 'static)>) -> Self {
        Self { next: head, left: 64 }
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn StdError + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let link = self.next?;
        self.next = link.source();
        Some(link)
    }
}
