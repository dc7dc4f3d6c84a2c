//! A growing array in pages. A page never moves.

use super::growth::Growth;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Values under consecutive `u32` indices, stored in pages of `N`, a power of two.
///
/// A page is allocated whole and filled with vacant values when the first of it is needed. Nothing but the list of pages
/// (8 octets a page) is ever copied when a large array grows.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<T, const N: usize> {
    pages: Vec<Box<Page<T, N>>>,
    len: u32,
    growth: Growth,
}

/// Begins with a line of the cache, so that values of 64 octets take one each.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Page<T, const N: usize>([T; N]);

impl<T, const N: usize> Chunks<T, N> {
    #[expect(clippy::cast_possible_truncation, reason = "pages are short")]
    const PAGE_LEN: u32 = N as u32;

    pub(crate) const fn new() -> Self {
        const { assert!(N.is_power_of_two() && N <= 1 << 16) };
        Self { pages: Vec::new(), len: 0, growth: Growth { entries_moved: 0, octets_initialised: 0 } }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All memory, as an allocator is asked for it.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.pages.len() * size_of::<Page<T, N>>() + self.pages.capacity() * 8
    }

    /// What growing has cost so far.
    pub(crate) const fn growth(&self) -> Growth {
        self.growth
    }

    /// Appends a value; gives it back when every index is taken but some that mark ends of lists.
    /// `vacant` makes what a new page is filled with.
    #[inline]
    pub(crate) fn push(&mut self, value: T, vacant: impl FnMut() -> T) -> Result<u32, T> {
        let index = self.len;
        if index as usize & (N - 1) == 0 && !self.grow(vacant) {
            return Err(value);
        }
        let Some(slot) = self.slot(index) else { return Err(value) };
        *slot = value;
        self.len += 1;
        Ok(index)
    }

    /// Appends a page of vacant values: the index of its first one. `None` as for [`Self::push`].
    pub(crate) fn push_page(&mut self, vacant: impl FnMut() -> T) -> Option<u32> {
        let index = self.len;
        self.grow(vacant).then(|| {
            self.len += Self::PAGE_LEN;
            index
        })
    }

    /// Adds a page, unless there are as many as there may be.
    #[cold]
    fn grow(&mut self, mut vacant: impl FnMut() -> T) -> bool {
        if self.len >= END {
            return false;
        }
        if self.pages.len() == self.pages.capacity() {
            self.growth.octets(size_of_val(self.pages.as_slice()));
        }
        self.growth.octets(size_of::<Page<T, N>>());
        self.pages.push(Box::new(Page(core::array::from_fn(|_| vacant()))));
        true
    }

    #[inline]
    fn slot(&mut self, index: u32) -> Option<&mut T> {
        self.pages.get_mut(index as usize / N)?.0.get_mut(index as usize % N)
    }

    /// The value under an index; a vacant one under many that were never given out.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.pages.get(index as usize / N)?.0.get(index as usize % N)
    }

    /// As [`Self::get`], to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot(index)
    }

    /// The page in which an index lies.
    #[inline]
    pub(crate) fn page(&self, index: u32) -> Option<&[T; N]> {
        self.pages.get(index as usize / N).map(|page| &page.0)
    }

    /// All values, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..self.len).zip(self.pages.iter().flat_map(|page| page.0.iter()))
    }
}

/// No page begins at this index or above, so that there is none for the indices that mark ends of lists.
const END: u32 = u32::MAX - (1 << 16);

#[cfg(test)]
mod tests {
    use super::Chunks;

    #[test]
    fn values_keep_their_index_across_pages() {
        let mut chunks: Chunks<u32, 16> = Chunks::new();
        for n in 0..100 {
            assert_eq!(chunks.push(n * 7, || 0), Ok(n));
        }
        for n in 0..100 {
            assert_eq!(chunks.get(n), Some(&(n * 7)));
        }
        assert_eq!(chunks.get(1_000), None);
        assert_eq!(chunks.len(), 100);
        assert_eq!(chunks.iter().count(), 100);
        assert!(chunks.iter().all(|(n, value)| *value == n * 7));
    }

    #[test]
    fn pages_never_move_and_growth_is_counted() {
        let mut chunks: Chunks<u32, 16> = Chunks::new();
        chunks.push(0, || 0).unwrap();
        assert_eq!(chunks.growth().octets_initialised, 64);
        let first: *const u32 = chunks.get(0).unwrap();
        for n in 1..1_000 {
            chunks.push(n, || 0).unwrap();
        }
        assert_eq!(first, core::ptr::from_ref(chunks.get(0).unwrap()));
        // 63 pages, and the list of them copied at 4, 8, 16 and 32.
        assert_eq!(chunks.growth().octets_initialised, 63 * 64 + 60 * 8);
    }
}
