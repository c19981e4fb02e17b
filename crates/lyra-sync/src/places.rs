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

static PLACES: Places = Places::new();

/// A place as a number; zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Place {
    pub(crate) const NONE: Self = Self(0);

    #[inline]
    pub(crate) fn of(location: Location) -> Self {
        PLACES.place(location)
    }

    /// From the number that [`number`](Self::number) gave.
    pub(crate) const fn from_number(number: usize) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> usize {
        self.0
    }

    pub(crate) fn location(self) -> Option<Location> {
        PLACES.location(self)
    }
}

struct Places([OnceLock<Location>; SLOTS]);

impl Places {
    const fn new() -> Self {
        Self([const { OnceLock::new() }; SLOTS])
    }

    #[inline]
    fn place(&self, location: Location) -> Place {
        let address = address(location);
        // Nearly always it is known, and found at the first look.
        if let Some(known) = self.0[slot(address, 0)].get()
            && std::ptr::eq(*known, location)
        {
            return Place(address);
        }
        self.enter(location, address)
    }

    #[cold]
    fn enter(&self, location: Location, address: usize) -> Place {
        for step in 0..REACH {
            let known = self.0[slot(address, step)].get_or_init(|| location);
            if std::ptr::eq(*known, location) {
                return Place(address);
            }
        }
        Place::NONE
    }

    fn location(&self, place: Place) -> Option<Location> {
        (0..REACH)
            .filter_map(|step| self.0[slot(place.0, step)].get())
            .find(|known| address(known) == place.0)
            .copied()
    }
}

#[inline]
fn address(location: Location) -> usize {
    std::ptr::from_ref(location).addr()
}

#[inline]
const fn slot(address: usize, step: usize) -> usize {
    // Locations are 24 bytes that stand side by side.
    (address / 8 + address / 24 + step) % SLOTS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

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
            assert!(std::ptr::eq(place.location().unwrap(), location));
        }
        assert_eq!(Place::NONE.location(), None);
    }

    #[test]
    fn places_that_want_one_slot_are_told_apart_and_too_many_are_not_known() {
        static OWN: Places = Places::new();
        // So many locations side by side come round to the same slot.
        let around = SLOTS / 4;
        let all: &'static [_] = vec![*Location::caller(); around * REACH + 1].leak();
        let same: Vec<_> = (0..=REACH).map(|index| &all[index * around]).collect();
        assert!(same.iter().all(|one| slot(address(one), 0) == slot(address(same[0]), 0)));
        let places: Vec<_> = same.iter().map(|location| OWN.place(location)).collect();
        for (location, place) in same.iter().zip(&places).take(REACH) {
            assert!(std::ptr::eq(OWN.location(*place).unwrap(), *location));
            assert_eq!(OWN.place(location), *place);
        }
        assert_eq!(places[REACH], Place::NONE);
        assert_eq!(OWN.location(Place::NONE), None);
    }
}
