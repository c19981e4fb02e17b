//! Which of the missing numbers have an account: told as lost in their place, or
//! rotated away.

use std::ops::RangeInclusive;

/// What the log itself tells as lost, by its place among the numbers.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// In the order of the file.
    told: Vec<Loss>,
    /// From which on no number has come since.
    open: usize,
}

#[derive(Debug)]
struct Loss {
    lines: u64,
    /// The highest number before it.
    after: u64,
    /// The first higher one behind it.
    before: Option<u64>,
}

impl Losses {
    /// A record tells that so many lines are lost, `highest` being the last of
    /// those before it.
    pub(crate) fn told(&mut self, lines: u64, highest: Option<u64>) {
        let after = highest.unwrap_or(0);
        match self.told.get_mut(self.open..).and_then(<[Loss]>::last_mut) {
            // A disk that stays full is told again and again: one place.
            Some(last) if last.after == after => last.lines = last.lines.saturating_add(lines),
            _ => self.told.push(Loss { lines, after, before: None }),
        }
    }

    /// A number comes. One from before, that is late, says nothing of the place.
    pub(crate) fn passed(&mut self, number: u64) {
        for loss in &mut self.told[self.open..] {
            if number <= loss.after {
                return;
            }
            loss.before = Some(number);
            self.open += 1;
        }
    }

    /// How many lines are told as lost in all.
    pub(crate) fn sum(&self) -> u64 {
        self.told.iter().map(|loss| loss.lines).fold(0, u64::saturating_add)
    }

    /// How many of the numbers in these gaps are told where they are missing. A
    /// loss that is told somewhere else accounts for none of them.
    pub(crate) fn in_gaps(&self, gaps: impl Iterator<Item = RangeInclusive<u64>> + Clone) -> u64 {
        let mut gaps = gaps.peekable();
        let (mut counted, mut used) = (0_u64, 0);
        // Both are in the order of the numbers.
        for loss in &self.told {
            let Some(before) = loss.before else { continue };
            let mut left = loss.lines;
            while let Some(gap) = gaps.peek() {
                if *gap.start() >= before || left == 0 {
                    break;
                }
                let is_here = *gap.start() > loss.after;
                let part = (len(gap) - used).min(left);
                if is_here {
                    counted = counted.saturating_add(part);
                    left -= part;
                    used += part;
                }
                if !is_here || used == len(gap) {
                    gaps.next();
                    used = 0;
                }
            }
        }
        counted
    }
}

/// Where the numbers of a run whose beginning was rotated away can be held to be
/// whole.
///
/// Writers of older versions let threads overtake each other by a few lines, so
/// that the oldest file may begin with a straggler whose neighbours stand in a
/// file that is gone. What misses below the first three numbers that follow
/// each other is therefore no gap: a straggler is alone or among others like
/// it. Two would be met by chance; more would hide what is lost right behind
/// the edge, as three do for the first few records. Where there is no such three
/// within the first records nothing is excused.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    last: u64,
    in_order: u64,
    seen: u32,
    begin: Option<u64>,
}

impl Edge {
    const STRETCH: u64 = 3;
    const MOST: u32 = 64;

    pub(crate) fn passed(&mut self, number: u64) {
        if self.begin.is_some() || self.seen == Self::MOST {
            return;
        }
        self.seen += 1;
        let follows = self.last.checked_add(1) == Some(number) && self.in_order > 0;
        self.in_order = if follows { self.in_order + 1 } else { 1 };
        self.last = number;
        if self.in_order == Self::STRETCH {
            self.begin = Some(number + 1 - Self::STRETCH);
        }
    }

    /// The first number from which on a gap is one.
    pub(crate) fn begin(&self) -> u64 {
        self.begin.unwrap_or(0)
    }
}

/// How many numbers a gap has, which never is all of them.
pub(crate) fn len(gap: &RangeInclusive<u64>) -> u64 {
    (gap.end() - gap.start()).saturating_add(1)
}
