//! What growth has cost, counted where it happens.

use core::ops::{AddAssign, Sub};

/// What the tables of a host have spent on growing, in all. The difference over one call is what that call spent.
///
/// It is there to prove a bound: whatever a table holds already, no single call may pay for moving all of it. A host of
/// ten million TIME-WAITs grows by a few hundred entries and less than one mebioctet at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Growth {
    /// Entries of the index that were moved to another place.
    pub entries_moved: u64,
    /// Octets written for no other reason than that a container became larger: pages prepared, lists copied.
    pub octets_initialised: u64,
}

impl AddAssign for Growth {
    fn add_assign(&mut self, other: Self) {
        self.entries_moved += other.entries_moved;
        self.octets_initialised += other.octets_initialised;
    }
}

impl Sub for Growth {
    type Output = Self;

    /// What happened since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            entries_moved: self.entries_moved - earlier.entries_moved,
            octets_initialised: self.octets_initialised - earlier.octets_initialised,
        }
    }
}

impl Growth {
    /// Counts octets that were prepared or copied.
    pub(crate) const fn octets(&mut self, count: usize) {
        self.octets_initialised += count as u64;
    }

    /// Counts entries that were moved.
    pub(crate) const fn entries(&mut self, count: usize) {
        self.entries_moved += count as u64;
    }
}
