//! How far an order is from the one that was due.

/// How many pairs came in the wrong order: 0 where all came in turn, and
/// `n (n - 1) / 2` (780 of 40) where they came in reverse.
pub(crate) fn inversions(order: &[usize]) -> usize {
    let pairs = |(at, first): (usize, &usize)| {
        order[at + 1..].iter().filter(|second| *second < first).count()
    };
    order.iter().enumerate().map(pairs).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_pairs_that_are_out_of_order() {
        assert_eq!(inversions(&[]), 0);
        assert_eq!(inversions(&[0, 1, 2, 3]), 0);
        assert_eq!(inversions(&[1, 0, 2, 3]), 1);
        assert_eq!(inversions(&[3, 0, 1, 2]), 3);
        let reversed: Vec<usize> = (0..40).rev().collect();
        assert_eq!(inversions(&reversed), 780);
    }
}
