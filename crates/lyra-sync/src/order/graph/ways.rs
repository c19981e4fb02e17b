//! The ways through the graph from one lock to another.

use std::collections::{HashMap, VecDeque};

use super::{Graph, Key, SHOWN};

/// So many locks are looked at for a circle: more than an order leads over
/// that somebody meant. With many locks of one name, each of which is held
/// while the next is asked for, a search would take longer and longer.
const LOOKED_AT: usize = 1_024;

/// How a lock is reached with the fewest orders.
#[derive(Default)]
struct Reached<'a> {
    steps: usize,
    before: Vec<&'a Key>,
}

impl Graph {
    /// The ways of the fewest orders, at most as many as can be told; each
    /// with both ends. One order alone is a way however often it was shown.
    pub(super) fn shortest_ways(&self, from: &Key, to: &Key) -> Vec<Vec<Key>> {
        let reached = self.reach(from, to);
        let Some(steps) = reached.get(to).map(|end| end.steps) else { return Vec::new() };
        // From the end back: each of them leads to the start.
        let mut ways = vec![vec![to]];
        for _ in 0..steps {
            let longer = ways.iter().flat_map(|way| {
                let before = way.last().and_then(|key| reached.get(key)).map(|at| &at.before);
                before.into_iter().flatten().map(|key| [way.as_slice(), &[*key]].concat())
            });
            ways = longer.take(SHOWN).collect();
        }
        ways.into_iter().map(|way| way.into_iter().rev().cloned().collect()).collect()
    }

    /// All that is reached on the way, in as few steps as it can be.
    fn reach<'a>(&'a self, from: &'a Key, to: &Key) -> HashMap<&'a Key, Reached<'a>> {
        let mut reached = HashMap::from([(from, Reached::default())]);
        let mut next = VecDeque::from([from]);
        while let Some(key) = next.pop_front() {
            // Whatever leads to the end in as few steps came before the end.
            if key == to || reached.len() > LOOKED_AT {
                break;
            }
            let steps = reached.get(key).map_or(0, |at| at.steps) + 1;
            for (end, order) in self.all.get(key).into_iter().flat_map(|known| &known.after) {
                let is_alone = key == from && end == to;
                if !order.is_open() && !is_alone {
                    continue;
                }
                let at = reached.entry(end).or_insert_with(|| {
                    next.push_back(end);
                    Reached { steps, before: Vec::new() }
                });
                if at.steps == steps {
                    at.before.push(key);
                }
            }
        }
        reached
    }
}
