//! Values under an index and a generation, in pages that never move.

use super::NIL;
use super::chunks::Chunks;
use super::growth::Growth;

/// Slots of a page.
const PAGE: usize = 64;

/// Holds values under a `u32` index. An index is used again after its value was removed; the generation tells the
/// tenants apart. What a value leaves behind, a `K`, stays in the slot for the next one.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T, K = ()> {
    slots: Chunks<Slot<T, K>, PAGE>,
    /// The slot to use next: the one that was freed last.
    free: u32,
    len: u32,
}

/// Eight octets more than the value, if the value has a niche and room for what is kept beside it.
#[derive(Clone, Debug)]
struct Slot<T, K> {
    generation: u32,
    /// While nobody is here the next free slot.
    next: u32,
    tenant: Tenant<T, K>,
}

/// Who is in a slot.
#[derive(Clone, Debug)]
pub(crate) enum Tenant<T, K> {
    /// A value.
    Here(T),
    /// Nobody; what the last one has left.
    Gone(K),
}

impl<T, K> Tenant<T, K> {
    #[inline]
    const fn here(&self) -> Option<&T> {
        match self {
            Self::Here(value) => Some(value),
            Self::Gone(_) => None,
        }
    }

    #[inline]
    const fn here_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Here(value) => Some(value),
            Self::Gone(_) => None,
        }
    }
}

impl<T, K: Copy + Default> Default for Slab<T, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, K: Copy + Default> Slab<T, K> {
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
        self.insert_after(|_| make())
    }

    /// As [`Self::insert_with`], of a value that is told what the last one in its slot has left.
    #[inline(always)]
    pub(crate) fn insert_after(&mut self, make: impl FnOnce(K) -> T) -> (u32, u32) {
        if self.free == NIL {
            self.add_vacancy();
        }
        let index = self.free;
        // There is no page as far out as NIL.
        let Some(slot) = self.slots.get_mut(index) else { return (NIL, 0) };
        self.free = slot.next;
        let kept = match &slot.tenant {
            Tenant::Gone(kept) => *kept,
            Tenant::Here(_) => K::default(),
        };
        slot.tenant = Tenant::Here(make(kept));
        self.len += 1;
        (index, slot.generation)
    }

    #[cold]
    fn add_vacancy(&mut self) {
        let vacant = || Slot { generation: 0, next: NIL, tenant: Tenant::Gone(K::default()) };
        if let Ok(index) = self.slots.push(vacant(), vacant) {
            self.free = index;
        }
    }

    /// The value at `index`.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index)?.tenant.here()
    }

    /// As [`Self::get`], to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index)?.tenant.here_mut()
    }

    /// Who is at `index`, or what is left there; `None` where nobody ever was.
    #[inline]
    pub(crate) fn tenant_mut(&mut self, index: u32) -> Option<&mut Tenant<T, K>> {
        self.slots.get_mut(index).map(|slot| &mut slot.tenant)
    }

    /// The value at `index`, unless the slot has changed hands since `generation`.
    #[inline]
    pub(crate) fn get_checked(&self, index: u32, generation: u32) -> Option<&T> {
        match self.slots.get(index)? {
            Slot { generation: now, tenant: Tenant::Here(value), .. } if *now == generation => Some(value),
            _ => None,
        }
    }

    /// As [`Self::get_checked`], to change it.
    #[inline]
    pub(crate) fn get_checked_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        match self.slots.get_mut(index)? {
            Slot { generation: now, tenant: Tenant::Here(value), .. } if *now == generation => Some(value),
            _ => None,
        }
    }

    /// The value at `index` and its generation.
    #[inline]
    pub(crate) fn entry_mut(&mut self, index: u32) -> Option<(u32, &mut T)> {
        let slot = self.slots.get_mut(index)?;
        Some((slot.generation, slot.tenant.here_mut()?))
    }

    /// The generation of the value at `index`.
    #[inline]
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        let slot = self.slots.get(index)?;
        slot.tenant.here().is_some().then_some(slot.generation)
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
        slot.tenant.here()?;
        let Tenant::Here(value) = core::mem::replace(&mut slot.tenant, Tenant::Gone(K::default())) else {
            return None;
        };
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = index;
        self.len -= 1;
        Some(value)
    }

    /// As [`Self::remove`], of a value that nobody wants: a large one is not carried about. `kept` is what it leaves to the
    /// next one in the slot.
    #[inline]
    pub(crate) fn discard(&mut self, index: u32, kept: impl FnOnce(&T) -> K) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if let Tenant::Here(value) = &slot.tenant {
            slot.tenant = Tenant::Gone(kept(value));
            slot.generation = slot.generation.wrapping_add(1);
            slot.next = self.free;
            self.free = index;
            self.len -= 1;
        }
    }

    /// All values with their indices, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().filter_map(|(index, slot)| Some((index, slot.tenant.here()?)))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Slab, Tenant};
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    #[test]
    fn reused_slot_has_a_new_generation() {
        let mut slab: Slab<_> = Slab::new();
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
    fn next_in_a_slot_is_told_what_the_last_one_left() {
        let mut slab: Slab<char, u32> = Slab::new();
        let (index, _) = slab.insert_after(|kept| if kept == 0 { 'a' } else { 'b' });
        slab.discard(index, |value| *value as u32);
        assert!(matches!(slab.tenant_mut(index), Some(Tenant::Gone(97))));
        assert_eq!(slab.insert_after(|kept| if kept == 97 { 'c' } else { 'd' }).0, index);
        assert!(matches!(slab.tenant_mut(index), Some(Tenant::Here('c'))));
        slab.discard(index, |_| 0);
        assert!(matches!(slab.tenant_mut(index), Some(Tenant::Gone(0))));
    }

    #[test]
    fn removing_twice_gives_nothing() {
        let mut slab: Slab<_> = Slab::new();
        let (index, _) = slab.insert(1);
        assert_eq!(slab.remove(index), Some(1));
        assert_eq!(slab.remove(index), None);
        assert_eq!(slab.remove(77), None);
        assert!(slab.is_empty());
    }

    proptest! {
        #[test]
        fn slab_agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), any::<u16>()), 0..600)) {
            let mut slab: Slab<_> = Slab::new();
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
                        slab.discard(key.0, |_| ());
                        slab.discard(key.0, |_| ());
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
