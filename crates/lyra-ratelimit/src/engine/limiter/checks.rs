//! What is checked before an engine is asked, and how its failures are told.

use lyra_errors::Location;

use super::super::trips::{Failure, Shared};
use super::super::{Ability, Engine, EngineError};
use crate::error::{RateLimitError, UnknownLimitSnafu, require};
use crate::waiter::Costs;

impl<E: Engine> Shared<E> {
    /// `usual`, with what `named` says instead.
    #[track_caller]
    pub(in crate::engine) fn costs(
        &self,
        named: &[(&str, u64)],
        usual: &Costs,
    ) -> Result<Costs, RateLimitError> {
        let mut costs = *usual;
        for (index, (name, cost)) in named.iter().enumerate() {
            let is_first = named[..index].iter().all(|(earlier, _)| earlier != name);
            require(is_first, "costs", "a limit is named twice", name)?;
            costs[self.index_of(name)?] = *cost;
        }
        Ok(costs)
    }

    pub(in crate::engine) fn failed(
        &self,
        failure: Failure,
        doing: &'static str,
        location: Location,
    ) -> RateLimitError {
        let source = match failure {
            Failure::Fault(fault) => fault,
            Failure::TimeIsUp => EngineError::unanswered(self.answer_within),
        };
        RateLimitError::Engine { limiter: self.name.clone(), doing, source, location }
    }

    #[track_caller]
    pub(super) fn index_of(&self, limit: &str) -> Result<usize, RateLimitError> {
        // No closure raises it: the location is the caller's.
        match self.names.iter().position(|name| **name == *limit) {
            Some(index) => Ok(index),
            None => UnknownLimitSnafu { limit }.fail(),
        }
    }

    pub(super) fn needs(
        &self,
        ability: Ability,
        doing: &'static str,
        location: Location,
    ) -> Result<(), RateLimitError> {
        if self.engine.abilities().has(ability) {
            return Ok(());
        }
        Err(self.failed(Failure::Fault(EngineError::unable(ability)), doing, location))
    }
}
