//! What a contender is asked to do, and what it answers: a line of JSON each.

use std::ops::Range;

use serde_json::{Value, json};

/// An equality over metadata that leaves one entry of `values`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct By {
    pub(super) key: &'static str,
    pub(super) values: usize,
}

impl By {
    pub(super) const BUCKET: Self = Self { key: "bucket", values: 100 };
    pub(super) const GROUP: Self = Self { key: "group", values: 10 };

    /// What the query of that number asks for.
    pub(super) fn value_for(self, query: usize) -> usize {
        query % self.values
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Open {
        for_writing: bool,
    },
    Add {
        rows: Range<usize>,
        step: usize,
    },
    /// All that was added is to be on the disk.
    Flush,
    Query {
        queries: Range<usize>,
        by: Option<By>,
    },
}

impl Order {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Open { for_writing } => json!({ "do": "open", "for_writing": for_writing }),
            Self::Add { rows, step } => {
                json!({ "do": "add", "from": rows.start, "to": rows.end, "step": step })
            }
            Self::Flush => json!({ "do": "flush" }),
            Self::Query { queries, by } => json!({
                "do": "query", "from": queries.start, "to": queries.end,
                "key": by.map(|by| by.key), "values": by.map(|by| by.values),
            }),
        }
    }

    pub(super) fn read(json: &Value) -> Option<Self> {
        let number = |key: &str| json[key].as_u64().and_then(|number| usize::try_from(number).ok());
        let range = || Some(number("from")?..number("to")?);
        Some(match json["do"].as_str()? {
            "open" => Self::Open { for_writing: json["for_writing"].as_bool()? },
            "add" => Self::Add { rows: range()?, step: number("step")? },
            "flush" => Self::Flush,
            "query" => {
                let known = [By::BUCKET, By::GROUP];
                let by = known.into_iter().find(|by| json["key"].as_str() == Some(by.key));
                Self::Query { queries: range()?, by }
            }
            _ => return None,
        })
    }
}

/// One call's time of the CPU in all threads, and on the wall, in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) cpu: f64,
    pub(super) wall: f64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    /// Of each call.
    pub(super) costs: Vec<Cost>,
    /// What each query found.
    pub(super) ids: Vec<Vec<String>>,
    /// CPU time of the process since it began, in ms: what it does between
    /// two orders counts as well.
    pub(super) spent: f64,
    /// Of the process, in MB.
    pub(super) resident: f64,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        let nanoseconds = |ms: f64| (ms * 1e6).round();
        let of = |part: fn(&Cost) -> f64| -> Vec<f64> {
            self.costs.iter().map(|cost| nanoseconds(part(cost))).collect()
        };
        json!({
            "cpu": of(|cost| cost.cpu), "wall": of(|cost| cost.wall), "ids": self.ids,
            "spent": nanoseconds(self.spent), "resident": self.resident * 1e6,
        })
    }

    pub(super) fn read(line: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        if let Some(error) = json["error"].as_str() {
            return Err(error.to_owned());
        }
        Self::of(&json).ok_or_else(|| format!("answered {line}"))
    }

    fn of(json: &Value) -> Option<Self> {
        let times = |key: &str| -> Option<Vec<f64>> {
            json[key].as_array()?.iter().map(|time| Some(time.as_f64()? / 1e6)).collect()
        };
        let costs = times("cpu")?.into_iter().zip(times("wall")?);
        let ids = |found: &Value| -> Option<Vec<String>> {
            found.as_array()?.iter().map(|id| Some(id.as_str()?.to_owned())).collect()
        };
        Some(Self {
            costs: costs.map(|(cpu, wall)| Cost { cpu, wall }).collect(),
            ids: json["ids"].as_array()?.iter().map(ids).collect::<Option<_>>()?,
            spent: json["spent"].as_f64()? / 1e6,
            resident: json["resident"].as_f64()? / 1e6,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_given() {
        for order in [
            Order::Open { for_writing: true },
            Order::Add { rows: 3..9, step: 2 },
            Order::Flush,
            Order::Query { queries: 0..5, by: None },
            Order::Query { queries: 0..5, by: Some(By::GROUP) },
        ] {
            assert_eq!(Order::read(&order.json()), Some(order));
        }
        assert_eq!(Order::read(&json!({ "do": "sing" })), None);
    }

    #[test]
    fn an_answer_is_read_as_it_was_given_and_an_error_is_one() {
        let answer = Answer {
            costs: vec![Cost { cpu: 1.5, wall: 2.0 }],
            ids: vec![vec!["e7".to_owned()]],
            spent: 30.0,
            resident: 54.5,
        };
        assert_eq!(Answer::read(&answer.json().to_string()), Ok(answer));
        assert_eq!(Answer::read("{\"error\": \"full\"}"), Err("full".to_owned()));
        assert!(Answer::read("{\"cpu\": []}").is_err());
    }
}
