//! Values under an index and a generation, in pages that never move.

use super::NIL;
use super::chunks::Chunks;

/// Pages of 128 slots.
const PAGE_SHIFT: u32 = 7;

/// Holds values under a `u32` index. An index is used again after its value was removed; the generation tells the
/// tenants apart.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    slots: Chunks<Slot<T>, PAGE_SHIFT>,
    /// The slot to use next: the one that was freed last.
    free: u32,
    len: u32,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u32,
    tenant: Tenant<T>,
}

#[derive(Clone, Debug)]
enum Tenant<T> {
    /// Nobody; the next free slot.
    Free(u32),
    Value(T),
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
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Stores a value; its index and generation. Past `u32::MAX - 1` values it is dropped and the index names nothing;
    /// hosts have bounds far below.
    pub(crate) fn insert(&mut self, value: T) -> (u32, u32) {
        let index = self.free;
        if let Some(slot) = self.slots.get_mut(index)
            && let Tenant::Free(next) = slot.tenant
        {
            self.free = next;
            slot.tenant = Tenant::Value(value);
            self.len += 1;
            return (index, slot.generation);
        }
        match self.slots.push(Slot { generation: 0, tenant: Tenant::Value(value) }) {
            Ok(index) => {
                self.len += 1;
                (index, 0)
            }
            Err(_) => (NIL, 0),
        }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        match &self.slots.get(index)?.tenant {
            Tenant::Value(value) => Some(value),
            Tenant::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match &mut self.slots.get_mut(index)?.tenant {
            Tenant::Value(value) => Some(value),
            Tenant::Free(_) => None,
        }
    }

    /// The value at `index`, unless the slot has changed hands since `generation`.
    pub(crate) fn get_checked(&self, index: u32, generation: u32) -> Option<&T> {
        match self.slots.get(index)? {
            Slot { generation: now, tenant: Tenant::Value(value) } if *now == generation => Some(value),
            _ => None,
        }
    }

    /// As [`Self::get_checked`], to change it.
    pub(crate) fn get_checked_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        match self.slots.get_mut(index)? {
            Slot { generation: now, tenant: Tenant::Value(value) } if *now == generation => Some(value),
            _ => None,
        }
    }

    /// The value at `index` and its generation.
    pub(crate) fn entry_mut(&mut self, index: u32) -> Option<(u32, &mut T)> {
        match self.slots.get_mut(index)? {
            Slot { generation, tenant: Tenant::Value(value) } => Some((*generation, value)),
            _ => None,
        }
    }

    /// The generation of the value at `index`.
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        let slot = self.slots.get(index)?;
        matches!(slot.tenant, Tenant::Value(_)).then_some(slot.generation)
    }

    /// Takes the value out. From now on its index and generation name nothing.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index)?;
        if matches!(slot.tenant, Tenant::Free(_)) {
            return None;
        }
        let tenant = core::mem::replace(&mut slot.tenant, Tenant::Free(self.free));
        slot.generation = slot.generation.wrapping_add(1);
        self.free = index;
        self.len -= 1;
        match tenant {
            Tenant::Value(value) => Some(value),
            Tenant::Free(_) => None,
        }
    }

    /// All values with their indices, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().filter_map(|(index, slot)| match &slot.tenant {
            Tenant::Value(value) => Some((index, value)),
            Tenant::Free(_) => None,
        })
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
                    prop_assert_eq!(slab.remove(key.0), model.remove(&key));
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
