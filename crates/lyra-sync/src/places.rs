//! Places in the source as numbers that fit into an atomic: the address of a
//! `Location`, which this table leads back to the location itself. There are
//! as many as there are calls in the program's source, and none ever goes.

use std::sync::OnceLock;

use lyra_errors::Location;

/// Twice as many as calls to this crate that a large program has. Where it is
/// full, further places are not known.
const SLOTS: usize = 4_096;

/// How far a place may lie from its slot.
const REACH: usize = 16;

static PLACES: [OnceLock<Location>; SLOTS] = [const { OnceLock::new() }; SLOTS];

/// A place as a number; zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Place {
    pub(crate) const NONE: Self = Self(0);

    #[inline]
    pub(crate) fn of(location: Location) -> Self {
        let address = std::ptr::from_ref(location).addr();
        // Nearly always it is known, and found at the first look.
        if let Some(known) = PLACES[slot(address, 0)].get()
            && std::ptr::eq(*known, location)
        {
            return Self(address);
        }
        Self::enter(location, address)
    }

    /// From the number that [`number`](Self::number) gave.
    pub(crate) const fn from_number(number: usize) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> usize {
        self.0
    }

    pub(crate) fn location(self) -> Option<Location> {
        (0..REACH)
            .filter_map(|step| PLACES[slot(self.0, step)].get())
            .find(|known| std::ptr::from_ref::<std::panic::Location<'_>>(known).addr() == self.0)
            .copied()
    }

    #[cold]
    fn enter(location: Location, address: usize) -> Self {
        for step in 0..REACH {
            let known = PLACES[slot(address, step)].get_or_init(|| location);
            if std::ptr::eq(*known, location) {
                return Self(address);
            }
        }
        Self::NONE
    }
}

#[inline]
const fn slot(address: usize, step: usize) -> usize {
    // Locations are 24 bytes that stand side by side.
    (address / 8 + address / 24 + step) % SLOTS
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[track_caller]
    fn here() -> super::Location {
        Location::caller()
    }

    #[test]
    fn a_place_leads_back_to_its_location() {
        for location in [here(), here(), here()] {
            let place = Place::from_number(Place::of(location).number());
            assert!(std::ptr::eq(place.location().expect("it was entered"), location));
        }
        assert_eq!(Place::NONE.location(), None);
    }
}
