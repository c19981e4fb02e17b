//! Who is in, as one number, and who may join them: the exclusion of the lock
//! as arithmetic, without atomics and without a line.

/// Somebody waits in line, so nobody enters past it.
pub(super) const LINE: usize = 1;
const WRITER: usize = 1 << 1;
const UPGRADABLE: usize = 1 << 2;
const READER: usize = 1 << 3;

/// Beyond it readers wait, for one to leave: guards that are forgotten could
/// come that far, and async-lock would end the process.
const MOST: usize = usize::MAX / 4;

/// What one comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Upgradable,
    Write,
    /// Who is in with [`Upgradable`](Self::Upgradable), and wants to write.
    Upgrade,
}

impl Access {
    /// What the number is once this one is in; none if it has to wait.
    #[inline]
    pub(super) const fn entered(self, word: usize) -> Option<usize> {
        match self {
            Self::Read if word & WRITER == 0 && word < MOST => Some(word + READER),
            Self::Upgradable if word & (WRITER | UPGRADABLE) == 0 => Some(word + UPGRADABLE),
            Self::Write if word & !LINE == 0 => Some(word + WRITER),
            Self::Upgrade if word & !LINE == UPGRADABLE => Some(word - UPGRADABLE + WRITER),
            _ => None,
        }
    }

    /// What it adds to the number while it is in.
    #[inline]
    pub(super) const fn weight(self) -> usize {
        match self {
            Self::Read => READER,
            Self::Upgradable => UPGRADABLE,
            Self::Write | Self::Upgrade => WRITER,
        }
    }

    /// Whether nobody who waits gains by its leaving. The number is that
    /// before it left.
    #[inline]
    pub(super) const fn leaves_unnoticed(self, word: usize) -> bool {
        // What a reader holds up, the other readers hold up as well.
        word & LINE == 0 || (matches!(self, Self::Read) && readers(word) > 1)
    }
}

#[inline]
pub(super) const fn readers(word: usize) -> usize {
    word / READER
}

pub(super) const fn is_writing(word: usize) -> bool {
    word & WRITER != 0
}

pub(super) const fn is_upgradable(word: usize) -> bool {
    word & UPGRADABLE != 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

    use super::*;

    #[test]
    fn a_writer_is_alone_and_an_upgradable_read_is_single() {
        use Access::{Read, Upgradable, Upgrade, Write};
        let reading = Read.entered(0).unwrap();
        let both = Upgradable.entered(reading).unwrap();
        let writing = Write.entered(0).unwrap();
        let may = |word: usize| [Read, Upgradable, Write].map(|a| a.entered(word).is_some());
        assert_eq!(may(0), [true, true, true]);
        assert_eq!(may(reading), [true, true, false]);
        assert_eq!(may(both), [true, false, false]);
        assert_eq!(may(writing), [false, false, false]);
        assert_eq!(Upgrade.entered(both), None);
        assert_eq!(Upgrade.entered(both - Read.weight()), Some(writing));
        assert_eq!(Upgrade.entered(0), None);
        assert_eq!(may(LINE), [true, true, true], "the line is not the exclusion's matter");
        assert_eq!(Read.entered(usize::MAX & !WRITER), None, "forgotten guards do not overflow");
    }

    #[test]
    fn only_the_last_reader_is_noticed() {
        let two = (2 * READER) | LINE;
        assert!(Access::Read.leaves_unnoticed(two) && !Access::Read.leaves_unnoticed(two - READER));
        assert!(!Access::Upgradable.leaves_unnoticed(two | UPGRADABLE));
        assert!(!Access::Write.leaves_unnoticed(WRITER | LINE));
        assert!(Access::Write.leaves_unnoticed(WRITER));
    }
}
