//! What is measured, one after the other: filling the stores, asking them,
//! opening them anew, adding to them one by one.

use std::time::Instant;

use super::contender::Contender;
use super::data::{Data, SPARE};
use super::orders::{Answer, By, Cost, Order};
use super::truth::Truth;
use super::{AREA, TOP, label};
use crate::harness::{Figure, Plan, Row, Timed, figure_rows, median, timed_rows};

const BATCH: usize = 1_000;
const ROUNDS: usize = 40;
/// Calls of a slice.
const CALLS: usize = 5;
/// Each takes a new process and reads a whole index.
const OPENINGS: usize = 7;
/// The queries from which the recall is: others than those that are timed.
const OF_RECALL: std::ops::Range<usize> = 400..500;
/// The cases of a query, by what may be found.
const SEARCHES: [(&str, Option<By>); 3] =
    [("query", None), ("filter 1 %", Some(By::BUCKET)), ("filter 10 %", Some(By::GROUP))];

pub(super) fn all(plan: &Plan, data: &Data, contenders: &mut [Contender]) -> Vec<Row> {
    let mut rows = fill(plan, data, contenders);
    rows.extend(find(data, contenders));
    rows.extend(search(plan, data, contenders));
    contenders.iter_mut().for_each(Contender::close);
    rows.extend(on_disk(data, contenders));
    rows.extend(open(plan, data, contenders));
    rows.extend(insert(plan, data, contenders));
    rows
}

/// A contender alone, filled: gives the ms of a query, by round.
pub(super) fn filled(
    data: &Data,
    mut contender: Contender,
) -> impl FnMut(usize) -> Option<f64> + use<> {
    told("filling ours alone", data);
    contender.open(true);
    contender.ask(&Order::Add { rows: 0..data.size, step: BATCH });
    move |round| Some(cost(&contender.ask(&queries(round, None))?).cpu)
}

/// In batches of 1000, each a durable change; until the last of them can be
/// found, because some only build their index when they are asked. All of it
/// counts: the cost of a batch grows with the index.
fn fill(plan: &Plan, data: &Data, contenders: &mut [Contender]) -> Vec<Row> {
    told("filling the stores", data);
    let before: Vec<_> = contenders.iter_mut().map(|one| one.open(true)).collect();
    let mut walls = vec![0.0; contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut shuffle = plan.shuffle();
    for start in (0..data.size).step_by(BATCH) {
        shuffle.shuffle(&mut order);
        let rows = start..data.size.min(start + BATCH);
        for &at in &order {
            let added = contenders[at].ask(&Order::Add { rows: rows.clone(), step: BATCH });
            walls[at] += wall(added.as_ref());
        }
    }
    let (mut cpu, mut on_the_wall) = (Vec::new(), Vec::new());
    let thousands = data.size as f64 / 1e3;
    for ((one, before), mut wall_time) in contenders.iter_mut().zip(before).zip(walls) {
        let flushed = one.ask(&Order::Flush);
        let found = one.ask(&Order::Query { queries: 0..1, by: None });
        wall_time += wall(flushed.as_ref()) + wall(found.as_ref());
        let spent = before.zip(found).map(|(before, after)| after.spent - before.spent);
        cpu.push(timed(one, spent.map(|spent| spent / thousands)));
        on_the_wall.push(timed(one, spent.map(|_| wall_time / thousands)));
    }
    both(data, "bulk, 1000 entries", &cpu, &on_the_wall)
}

/// What share of the true ten each finds.
fn find(data: &Data, contenders: &mut [Contender]) -> Vec<Row> {
    told("comparing with all rows", data);
    let mut rows = Vec::new();
    for (name, by) in SEARCHES {
        let truth = Truth::of(data, OF_RECALL, by);
        let figures = contenders.iter_mut().filter_map(|one| {
            let answer = one.ask(&Order::Query { queries: OF_RECALL, by })?;
            let value = truth.recall(&answer.ids);
            Some(Figure { name: one.name, is_ours: one.is_ours, value })
        });
        let figures: Vec<Figure> = figures.collect();
        let case = format!("recall of a {name}, {}", label(data.size));
        rows.extend(figure_rows(AREA, &case, "of 1", &figures));
    }
    rows
}

fn search(plan: &Plan, data: &Data, contenders: &mut [Contender]) -> Vec<Row> {
    told("queries", data);
    let cases = SEARCHES.iter().enumerate();
    let who = 0..contenders.len();
    let mut turns: Vec<(usize, usize)> =
        cases.flat_map(|(case, _)| who.clone().map(move |at| (case, at))).collect();
    let mut costs = vec![vec![Vec::new(); contenders.len()]; SEARCHES.len()];
    let mut shuffle = plan.shuffle();
    for round in 0..ROUNDS {
        shuffle.shuffle(&mut turns);
        for &(case, at) in &turns {
            let answer = contenders[at].ask(&queries(round, SEARCHES[case].1));
            costs[case][at].extend(answer.map(|answer| cost(&answer)));
        }
    }
    let named = SEARCHES.iter().zip(&costs);
    named
        .flat_map(|((name, _), costs)| {
            rows_of(data, &format!("{name}, top {TOP}"), contenders, costs)
        })
        .collect()
}

fn queries(round: usize, by: Option<By>) -> Order {
    let first = round * CALLS;
    Order::Query { queries: first..first + CALLS, by }
}

fn on_disk(data: &Data, contenders: &[Contender]) -> Vec<Row> {
    let sizes: Vec<Timed> = contenders.iter().map(|one| timed(one, one.on_disk())).collect();
    timed_rows(AREA, &format!("on the disk, {}", label(data.size)), "MB", &sizes)
}

/// A new process opens the store for reading, and asks once; its memory is
/// looked at after some more questions. The start of an interpreter and the
/// imports count only from the start of the process, and as memory.
fn open(plan: &Plan, data: &Data, contenders: &mut [Contender]) -> Vec<Row> {
    told("opening the stores", data);
    let mut costs = vec![Vec::new(); contenders.len()];
    let mut from_start = costs.clone();
    let mut resident = vec![Vec::new(); contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut shuffle = plan.shuffle();
    for round in 0..OPENINGS {
        shuffle.shuffle(&mut order);
        for &at in &order {
            let one = &mut contenders[at];
            let start = Instant::now();
            let opened = one.open(false);
            let first = one.ask(&Order::Query { queries: round..round + 1, by: None });
            let wall = start.elapsed().as_secs_f64() * 1e3;
            let more = one.ask(&Order::Query { queries: 10..30, by: None });
            one.close();
            let (Some(opened), Some(first), Some(more)) = (opened, first, more) else { continue };
            from_start[at].push(Cost { cpu: first.spent, wall });
            let (opened, first) = (cost(&opened), cost(&first));
            costs[at].push(Cost { cpu: opened.cpu + first.cpu, wall: opened.wall + first.wall });
            resident[at].push(more.resident);
        }
    }
    let mut rows = rows_of(data, "open and first query", contenders, &costs);
    rows.extend(rows_of(data, "process start to first answer", contenders, &from_start));
    let typical = |values: &Vec<f64>| (!values.is_empty()).then(|| median(values));
    let resident =
        contenders.iter().zip(&resident).map(|(one, values)| timed(one, typical(values)));
    let case = format!("memory of a reading process, {}", label(data.size));
    rows.extend(timed_rows(AREA, &case, "MB", &resident.collect::<Vec<_>>()));
    rows
}

/// Last, because an index that has to take up single rows is another one.
fn insert(plan: &Plan, data: &Data, contenders: &mut [Contender]) -> Vec<Row> {
    const { assert!(ROUNDS * CALLS <= SPARE) };
    told("single inserts", data);
    for one in contenders.iter_mut() {
        one.open(true);
    }
    let mut costs = vec![Vec::new(); contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut shuffle = plan.shuffle();
    for round in 0..ROUNDS {
        shuffle.shuffle(&mut order);
        let first = data.size + round * CALLS;
        for &at in &order {
            let added = contenders[at].ask(&Order::Add { rows: first..first + CALLS, step: 1 });
            costs[at].extend(added.map(|added| cost(&added)));
        }
    }
    contenders.iter_mut().for_each(Contender::close);
    rows_of(data, "durable insert", contenders, &costs)
}

/// The median of a slice.
fn cost(answer: &Answer) -> Cost {
    let of = |part: fn(&Cost) -> f64| median(&answer.costs.iter().map(part).collect::<Vec<_>>());
    Cost { cpu: of(|cost| cost.cpu), wall: of(|cost| cost.wall) }
}

fn wall(answer: Option<&Answer>) -> f64 {
    answer.map_or(0.0, |answer| answer.costs.iter().map(|cost| cost.wall).sum())
}

fn timed(one: &Contender, value: Option<f64>) -> Timed {
    Timed::one(one.name, one.is_ours, value)
}

fn rows_of(data: &Data, name: &str, contenders: &[Contender], costs: &[Vec<Cost>]) -> Vec<Row> {
    let of = |part: fn(&Cost) -> f64| -> Vec<Timed> {
        let pairs = contenders.iter().zip(costs);
        let timed = pairs.map(|(one, costs)| Timed {
            name: one.name,
            is_ours: one.is_ours,
            rounds: costs.iter().map(part).collect(),
        });
        timed.collect()
    };
    both(data, name, &of(|cost| cost.cpu), &of(|cost| cost.wall))
}

/// The CPU time, which is compared, and the wall clock, which is told.
fn both(data: &Data, name: &str, cpu: &[Timed], wall: &[Timed]) -> Vec<Row> {
    let case = format!("{name}, {}", label(data.size));
    let mut rows = timed_rows(AREA, &case, "ms", cpu);
    rows.extend(timed_rows(AREA, &format!("{case}, wall clock"), "ms", wall));
    rows
}

/// It takes minutes, in which nothing would be heard.
fn told(what: &str, data: &Data) {
    println!("{what}, {} × {}", label(data.size), super::DIMENSION);
}
