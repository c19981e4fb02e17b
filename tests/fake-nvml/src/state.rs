//! What the fake driver knows: as the tests set it, and as calls change it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The driver and its cards. A test changes whatever it likes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// What the driver calls its version.
    pub driver_version: String,
    /// Whether the driver is there.
    pub is_loaded: bool,
    /// How often it was unloaded: who began before that has to begin anew.
    pub unloads: u64,
    /// What looking a card up by its UUID says instead of finding it.
    pub lookup_says: Option<u32>,
    /// The cards, in the order of both libraries.
    pub cards: Vec<Card>,
    /// How many bytes were ever handed out, so that no address comes twice.
    pub handed_out: u64,
}

/// A card and who has its memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Card {
    /// What names it for good.
    pub uuid: String,
    /// Its make.
    pub name: String,
    /// Its address on the PCI bus.
    pub pci_bus_id: String,
    /// All of its memory.
    pub total: u64,
    /// What the driver keeps for itself; the second form of a reading does not
    /// count it as used, the first one does.
    pub reserved: u64,
    /// What processes have that no list names.
    pub stranger: u64,
    /// What was freed and does not come back. A test may give it back.
    pub stuck: u64,
    /// The most that was ever not free. A test may set it back.
    pub peak: u64,
    /// What a process costs by its first context.
    pub context_bytes: u64,
    /// What the lists of processes show beside those that took memory here.
    pub listed: Vec<Listed>,
    /// How it misbehaves.
    pub faults: Faults,
    /// The processes that took memory through the CUDA half.
    pub tenants: Vec<Tenant>,
    /// What was freed and comes back later.
    pub returning: Vec<Returning>,
}

/// How a card misbehaves; by default, not at all. Where a call says something,
/// it is a number of [`codes`](crate::codes).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Faults {
    /// It fell off the bus.
    pub is_lost: bool,
    /// No call comes back while this is set.
    pub hangs: bool,
    /// How long each call takes.
    pub latency_ms: u64,
    /// What the second form of a reading says.
    pub memory_v2_says: Option<u32>,
    /// What the first form of a reading says.
    pub memory_v1_says: Option<u32>,
    /// What the list of computing processes says.
    pub compute_says: Option<u32>,
    /// What the list of drawing processes says.
    pub graphics_says: Option<u32>,
    /// How long it takes until what was freed comes back.
    pub free_lag_ms: u64,
    /// How much of what was freed does not come back.
    pub keeps_percent: u64,
}

/// A line of a list of processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// In which of the lists.
    pub list: ProcessList,
    /// Which process.
    pub pid: u32,
    /// What it has, if the driver tells.
    pub bytes: Option<u64>,
}

/// The lists of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessList {
    /// Those that compute.
    Compute,
    /// Those that draw.
    Graphics,
}

/// A process that has a context, and its memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its number.
    pub pid: u32,
    /// When it started, because numbers are used again.
    pub started: u64,
    /// How often it holds its context.
    pub contexts: u32,
    /// What the context costs.
    pub context_bytes: u64,
    /// Its blocks, by address.
    pub blocks: BTreeMap<u64, u64>,
}

/// Bytes on their way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returning {
    /// How many.
    pub bytes: u64,
    /// When they are there, in milliseconds of the wall clock, which all
    /// processes share.
    pub at_ms: u64,
}

impl State {
    /// A loaded driver with cards of so many bytes.
    #[must_use]
    pub fn with_cards(totals: &[u64]) -> Self {
        let cards = (0..).zip(totals).map(|(index, &total)| Card::numbered(index, total));
        Self {
            driver_version: "570.86.15".into(),
            is_loaded: true,
            cards: cards.collect(),
            ..Self::default()
        }
    }

    /// Takes the driver away: nothing answers, and what processes had is gone.
    pub fn unload(&mut self) {
        self.is_loaded = false;
        self.unloads += 1;
        for card in &mut self.cards {
            card.tenants.clear();
            card.returning.clear();
        }
    }

    /// Brings the driver back, after an unload if it was loaded.
    pub fn reload(&mut self) {
        if self.is_loaded {
            self.unload();
        }
        self.is_loaded = true;
    }

    /// An address for a block, which no other has.
    pub(crate) fn address(&mut self, bytes: u64) -> u64 {
        const FIRST: u64 = 0x7f00_0000_0000;
        let address = FIRST + self.handed_out;
        self.handed_out += bytes.next_multiple_of(512);
        address
    }

    /// Notes how full the cards are.
    pub(crate) fn note_peaks(&mut self) {
        for card in &mut self.cards {
            card.peak = card.peak.max(card.total.saturating_sub(card.free()));
        }
    }

    /// Takes back what gone processes had, and what has come back by now.
    pub(crate) fn settle(&mut self, now_ms: u64, lives: impl Fn(u32, u64) -> bool) {
        for card in &mut self.cards {
            let (stay, gone): (Vec<_>, Vec<_>) =
                card.tenants.drain(..).partition(|tenant| lives(tenant.pid, tenant.started));
            card.tenants = stay;
            for tenant in gone {
                card.free_later(tenant.bytes(), now_ms);
            }
            card.returning.retain(|returning| returning.at_ms > now_ms);
        }
    }
}

impl Card {
    fn numbered(index: u32, total: u64) -> Self {
        Self {
            uuid: format!("GPU-6c797261-0000-4000-8000-{index:012x}"),
            name: "Fake Card".into(),
            pci_bus_id: format!("00000000:{:02X}:00.0", index + 1),
            total,
            ..Self::default()
        }
    }

    /// What can still be had.
    #[must_use]
    pub fn free(&self) -> u64 {
        let tenants: u64 = self.tenants.iter().map(Tenant::bytes).sum();
        let returning: u64 = self.returning.iter().map(|returning| returning.bytes).sum();
        let taken = [self.reserved, self.stranger, self.stuck, tenants, returning];
        taken.iter().fold(self.total, |free, taken| free.saturating_sub(*taken))
    }

    /// Gives a process its context, or holds it once more; whether there was
    /// room for it.
    pub(crate) fn retain(&mut self, (pid, started): (u32, u64)) -> bool {
        if let Some(tenant) = self.tenant(pid) {
            tenant.contexts += 1;
            return true;
        }
        let context_bytes = self.context_bytes;
        let fits = context_bytes <= self.free();
        if fits {
            let blocks = BTreeMap::new();
            self.tenants.push(Tenant { pid, started, contexts: 1, context_bytes, blocks });
        }
        fits
    }

    /// Gives a context back; with the last hold goes all that the process has.
    /// Whether it had one.
    pub(crate) fn release(&mut self, pid: u32, now_ms: u64) -> bool {
        let Some(at) = self.tenants.iter().position(|tenant| tenant.pid == pid) else {
            return false;
        };
        self.tenants[at].contexts -= 1;
        if self.tenants[at].contexts == 0 {
            let bytes = self.tenants.remove(at).bytes();
            self.free_later(bytes, now_ms);
        }
        true
    }

    pub(crate) fn tenant(&mut self, pid: u32) -> Option<&mut Tenant> {
        self.tenants.iter_mut().find(|tenant| tenant.pid == pid)
    }

    /// Counts bytes as freed: some never come back, and some late.
    pub(crate) fn free_later(&mut self, bytes: u64, now_ms: u64) {
        let kept = bytes / 100 * self.faults.keeps_percent.min(100);
        self.stuck += kept;
        let at_ms = now_ms + self.faults.free_lag_ms;
        if at_ms > now_ms {
            self.returning.push(Returning { bytes: bytes - kept, at_ms });
        }
    }

    /// The lines of a list of processes.
    pub(crate) fn list(&self, list: ProcessList) -> Vec<(u32, Option<u64>)> {
        let tenants = self.tenants.iter().filter(|_| list == ProcessList::Compute);
        let tenants = tenants.map(|tenant| (tenant.pid, Some(tenant.bytes())));
        let listed = self.listed.iter().filter(|listed| listed.list == list);
        tenants.chain(listed.map(|listed| (listed.pid, listed.bytes))).collect()
    }
}

impl Tenant {
    /// All that it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.context_bytes + self.blocks.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
    use super::*;

    const OWN: (u32, u64) = (7, 70);

    fn card() -> Card {
        Card { context_bytes: 100, ..Card::numbered(0, 1000) }
    }

    #[test]
    fn a_context_is_paid_once_and_goes_with_all_that_its_process_has() {
        let mut card = card();
        assert!(card.retain(OWN) && card.retain(OWN));
        card.tenant(7).unwrap().blocks.insert(1, 300);
        assert_eq!(card.free(), 600);
        assert!(card.release(7, 0));
        assert_eq!(card.free(), 600, "it is still held once");
        assert!(card.release(7, 0));
        assert_eq!(card.free(), 1000);
        assert!(!card.release(7, 0));
    }

    #[test]
    fn the_most_that_was_taken_is_known_afterwards() {
        let mut state = State { cards: vec![card()], ..State::default() };
        assert!(state.cards[0].retain(OWN));
        state.note_peaks();
        assert!(state.cards[0].release(7, 0));
        state.note_peaks();
        assert_eq!((state.cards[0].free(), state.cards[0].peak), (1000, 100));
    }

    #[test]
    fn what_a_gone_process_had_comes_back_late_and_in_part() {
        let mut state = State { cards: vec![card()], ..State::default() };
        let card = &mut state.cards[0];
        card.faults = Faults { free_lag_ms: 50, keeps_percent: 10, ..Faults::default() };
        assert!(card.retain(OWN));
        card.tenant(7).unwrap().blocks.insert(1, 300);

        state.settle(1000, |pid, started| (pid, started) == OWN);
        assert_eq!(state.cards[0].free(), 600);
        state.settle(1000, |_, _| false);
        assert_eq!(state.cards[0].free(), 600, "it is on its way");
        state.settle(1050, |_, _| false);
        assert_eq!(state.cards[0].free(), 960, "a tenth of 400 does not come back");
    }

    #[test]
    fn no_context_fits_on_a_full_card() {
        let mut card = Card { stranger: 950, ..card() };
        assert!(!card.retain(OWN));
        card.stranger = 900;
        assert!(card.retain(OWN));
        assert_eq!(card.free(), 0);
    }

    #[test]
    fn no_address_comes_twice() {
        let mut state = State::default();
        let first = state.address(1);
        assert!(state.address(1000) > first);
        assert!(state.address(1) >= first + 512 + 1000);
    }
}
