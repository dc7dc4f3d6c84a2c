//! Values under an index and a generation, in pages that never move.

use super::NIL;
use super::chunks::Chunks;
use super::growth::Growth;

/// Slots of a page.
const PAGE: usize = 64;

/// Holds values under a `u32` index. An index is used again after its value was removed; the generation tells the
/// tenants apart.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    slots: Chunks<Slot<T>, PAGE>,
    /// The slot to use next: the one that was freed last.
    free: u32,
    len: u32,
}

/// Eight octets more than the value, if the value has a niche for nothing.
#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u32,
    /// While nobody is here the next free slot.
    next: u32,
    tenant: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Chunks::new(), free: NIL, len: 0 }
    }

    /// How many values there are.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All memory, as an allocator is asked for it.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.slots.memory()
    }

    /// What growing has cost so far.
    pub(crate) const fn growth(&self) -> Growth {
        self.slots.growth()
    }

    /// Stores a value; its index and generation. Past some 2^32 values it is dropped and the index names nothing; hosts
    /// have bounds far below.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> (u32, u32) {
        self.insert_with(|| value)
    }

    /// As [`Self::insert`], of a value that is made where it will be: a large one is not carried about. Always part of the
    /// caller, as otherwise everything that the value is made of goes through memory.
    #[inline(always)]
    pub(crate) fn insert_with(&mut self, make: impl FnOnce() -> T) -> (u32, u32) {
        if self.free == NIL {
            self.add_vacancy();
        }
        let index = self.free;
        // There is no page as far out as NIL.
        let Some(slot) = self.slots.get_mut(index) else { return (NIL, 0) };
        self.free = slot.next;
        slot.tenant = Some(make());
        self.len += 1;
        (index, slot.generation)
    }

    #[cold]
    fn add_vacancy(&mut self) {
        let vacant = || Slot { generation: 0, next: NIL, tenant: None };
        if let Ok(index) = self.slots.push(vacant(), vacant) {
            self.free = index;
        }
    }

    /// The value at `index`.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index)?.tenant.as_ref()
    }

    /// As [`Self::get`], to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index)?.tenant.as_mut()
    }

    /// The value at `index`, unless the slot has changed hands since `generation`.
    #[inline]
    pub(crate) fn get_checked(&self, index: u32, generation: u32) -> Option<&T> {
        match self.slots.get(index)? {
            Slot { generation: now, tenant: Some(value), .. } if *now == generation => Some(value),
            _ => None,
        }
    }

    /// As [`Self::get_checked`], to change it.
    #[inline]
    pub(crate) fn get_checked_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        match self.slots.get_mut(index)? {
            Slot { generation: now, tenant: Some(value), .. } if *now == generation => Some(value),
            _ => None,
        }
    }

    /// The value at `index` and its generation.
    #[inline]
    pub(crate) fn entry_mut(&mut self, index: u32) -> Option<(u32, &mut T)> {
        let slot = self.slots.get_mut(index)?;
        Some((slot.generation, slot.tenant.as_mut()?))
    }

    /// The generation of the value at `index`.
    #[inline]
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        let slot = self.slots.get(index)?;
        slot.tenant.is_some().then_some(slot.generation)
    }

    /// Reads a word of the slot, so that the slot is in the cache when its value is needed. Call it for a whole batch
    /// before the first use: then the misses overlap. The word means nothing; use the sum of them for something, lest the
    /// compiler leaves the reads out. Any `index` will do.
    #[inline]
    pub(crate) fn touch(&self, index: u32) -> u32 {
        self.slots.get(index).map_or(0, |slot| slot.generation)
    }

    /// Takes the value out. From now on its index and generation name nothing.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index)?;
        let value = slot.tenant.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = index;
        self.len -= 1;
        Some(value)
    }

    /// As [`Self::remove`], of a value that nobody wants: a large one is not carried about.
    #[inline]
    pub(crate) fn discard(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.tenant.is_some() {
            slot.tenant = None;
            slot.generation = slot.generation.wrapping_add(1);
            slot.next = self.free;
            self.free = index;
            self.len -= 1;
        }
    }

    /// All values with their indices, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().filter_map(|(index, slot)| Some((index, slot.tenant.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Slab;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    #[test]
    fn reused_slot_has_a_new_generation() {
        let mut slab = Slab::new();
        let (index, first) = slab.insert('a');
        assert_eq!(slab.remove(index), Some('a'));
        assert_eq!(slab.get_checked(index, first), None);
        assert_eq!(slab.generation(index), None);
        let (again, second) = slab.insert('b');
        assert_eq!(again, index);
        assert_ne!(first, second);
        assert_eq!(slab.generation(index), Some(second));
        assert_eq!(slab.get_checked(index, first), None);
        assert_eq!(slab.get_checked(index, second), Some(&'b'));
        *slab.get_checked_mut(index, second).unwrap() = 'c';
        assert_eq!(slab.get_checked_mut(index, first), None);
        assert_eq!(slab.get(index), Some(&'c'));
    }

    #[test]
    fn removing_twice_gives_nothing() {
        let mut slab = Slab::new();
        let (index, _) = slab.insert(1);
        assert_eq!(slab.remove(index), Some(1));
        assert_eq!(slab.remove(index), None);
        assert_eq!(slab.remove(77), None);
        assert!(slab.is_empty());
    }

    proptest! {
        #[test]
        fn slab_agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), any::<u16>()), 0..600)) {
            let mut slab = Slab::new();
            let mut model: HashMap<(u32, u32), u16> = HashMap::new();
            for (insert, value) in steps {
                if insert || model.is_empty() {
                    prop_assert_eq!(model.insert(slab.insert(value), value), None);
                } else {
                    let mut keys: Vec<_> = model.keys().copied().collect();
                    keys.sort_unstable();
                    let key = keys[usize::from(value) % keys.len()];
                    let gone = model.remove(&key);
                    if value & 0x100 == 0 {
                        prop_assert_eq!(slab.remove(key.0), gone);
                    } else {
                        slab.discard(key.0);
                        slab.discard(key.0);
                    }
                    prop_assert_eq!(slab.get_checked(key.0, key.1), None);
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            for ((index, generation), value) in &model {
                prop_assert_eq!(slab.get_checked(*index, *generation), Some(value));
            }
            prop_assert_eq!(slab.iter().count(), model.len());
        }
    }
}
