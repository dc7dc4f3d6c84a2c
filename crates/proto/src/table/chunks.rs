//! A growing array in pages. A page that is full never moves again.

use alloc::vec::Vec;

/// Values under consecutive `u32` indices, stored in pages of `2^SHIFT`.
///
/// Only the first page grows in steps, so that a small host stays small; every later page is allocated whole. Nothing
/// but the list of pages (24 octets a page) is ever copied when a large array grows.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<T, const SHIFT: u32> {
    pages: Vec<Vec<T>>,
    len: u32,
}

impl<T, const SHIFT: u32> Chunks<T, SHIFT> {
    const PAGE: usize = 1 << SHIFT;
    /// What the first page starts with.
    const FIRST: usize = 4;

    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Appends a value; gives it back when every index below `u32::MAX - 1` is taken (the rest mark ends of lists).
    pub(crate) fn push(&mut self, value: T) -> Result<u32, T> {
        let index = self.len;
        if index >= u32::MAX - 1 {
            return Err(value);
        }
        let at = (index >> SHIFT) as usize;
        if at == self.pages.len() {
            self.pages.push(Vec::new());
        }
        let Some(page) = self.pages.get_mut(at) else { return Err(value) };
        if page.len() == page.capacity() {
            let room = Self::PAGE - page.len();
            page.reserve_exact(if at == 0 { page.len().max(Self::FIRST).min(room) } else { room });
        }
        page.push(value);
        self.len += 1;
        Ok(index)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.pages.get((index >> SHIFT) as usize)?.get(index as usize & (Self::PAGE - 1))
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.pages.get_mut((index >> SHIFT) as usize)?.get_mut(index as usize & (Self::PAGE - 1))
    }

    /// All values, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.pages.iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::Chunks;

    #[test]
    fn values_keep_their_index_across_pages() {
        let mut chunks: Chunks<u32, 3> = Chunks::new();
        for n in 0..100 {
            assert_eq!(chunks.push(n * 7), Ok(n));
        }
        for n in 0..100 {
            assert_eq!(chunks.get(n), Some(&(n * 7)));
        }
        assert_eq!(chunks.get(100), None);
        assert_eq!(chunks.len(), 100);
        assert!(chunks.iter().all(|(n, value)| *value == n * 7));
    }

    #[test]
    fn full_pages_never_move_and_later_pages_are_allocated_whole() {
        let mut chunks: Chunks<u32, 3> = Chunks::new();
        for n in 0..8 {
            chunks.push(n).unwrap();
        }
        let first: *const u32 = chunks.get(0).unwrap();
        for n in 8..1000 {
            chunks.push(n).unwrap();
        }
        assert_eq!(first, core::ptr::from_ref(chunks.get(0).unwrap()));
        assert!(chunks.pages.iter().all(|page| page.capacity() == 8));
    }
}
