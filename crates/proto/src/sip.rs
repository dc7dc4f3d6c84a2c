//! SipHash of a few words that are known beforehand: the same values as of the `siphasher` crate, without the state that
//! octets in pieces need. A connection's name is two words or five, and is hashed with every packet.

/// A keyed SipHash with `C` rounds for each word and `D` at the end: 1 and 3 for tables that stay inside, 2 and 4 for
/// values that leave the host.
#[derive(Clone, Copy)]
pub(crate) struct Sip<const C: usize, const D: usize> {
    state: [u64; 4],
}

/// SipHash-2-4.
pub(crate) type Sip24 = Sip<2, 4>;
/// SipHash-1-3.
pub(crate) type Sip13 = Sip<1, 3>;

impl<const C: usize, const D: usize> Sip<C, D> {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let (low, high) = halves(&key);
        Self {
            state: [
                low ^ 0x736f_6d65_7073_6575,
                high ^ 0x646f_7261_6e64_6f6d,
                low ^ 0x6c79_6765_6e65_7261,
                high ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    /// The hash of `words` in little-endian order and of `rest`, whose top octet is the number of all octets modulo 256:
    /// the last word as the definition of SipHash has it.
    #[inline]
    pub(crate) fn hash<const N: usize>(&self, words: [u64; N], rest: u64) -> u64 {
        let mut state = self.state;
        for word in words {
            absorb::<C>(&mut state, word);
        }
        absorb::<C>(&mut state, rest);
        state[2] ^= 0xff;
        for _ in 0..D {
            round(&mut state);
        }
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

/// Sixteen octets as two little-endian words.
#[inline]
fn halves(octets: &[u8; 16]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *octets;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
}

#[inline]
fn absorb<const C: usize>(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    for _ in 0..C {
        round(state);
    }
    state[0] ^= word;
}

#[inline]
fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32);
    c = c.wrapping_add(b);
    a = a.wrapping_add(d);
    b = b.rotate_left(17) ^ c;
    d = d.rotate_left(21) ^ a;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::{Sip13, Sip24, halves};
    use core::hash::Hasher;
    use proptest::prelude::*;
    use siphasher::sip::{SipHasher13, SipHasher24};

    /// The key of the reference vectors: 0, 1, 2 ... 15.
    fn reference_key() -> [u8; 16] {
        core::array::from_fn(|at| u8::try_from(at).unwrap())
    }

    // The test vector of "SipHash: a fast short-input PRF" (2012), appendix A: octets 0 to 14.
    #[test]
    fn the_example_of_the_paper() {
        let hash = Sip24::new(reference_key()).hash([0x0706_0504_0302_0100], 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(hash, 0xa129_ca61_49be_45e5);
    }

    // vectors_sip64 of the reference implementation: no octets, and octets 0 to 7.
    #[test]
    fn short_reference_vectors() {
        let sip = Sip24::new(reference_key());
        assert_eq!(sip.hash([], 0), 0x726f_db47_dd0e_0e31);
        assert_eq!(sip.hash([0x0706_0504_0302_0100], 8 << 56), 0x93f5_f579_9a93_2462);
    }

    proptest! {
        #[test]
        fn any_words_hash_as_the_other_implementation_has_it(key: [u8; 16], words: [u64; 4], last: u32) {
            let octets: alloc::vec::Vec<u8> =
                words.iter().flat_map(|word| word.to_le_bytes()).chain(last.to_le_bytes()).collect();
            let mut fast = SipHasher13::new_with_key(&key);
            let mut slow = SipHasher24::new_with_key(&key);
            fast.write(&octets);
            slow.write(&octets);
            let rest = u64::from(last) | 36 << 56;
            prop_assert_eq!(Sip13::new(key).hash(words, rest), fast.finish());
            prop_assert_eq!(Sip24::new(key).hash(words, rest), slow.finish());
        }

        #[test]
        fn halves_are_little_endian(octets: [u8; 16]) {
            let (low, high) = halves(&octets);
            prop_assert_eq!((u128::from(high) << 64 | u128::from(low)).to_le_bytes(), octets);
        }
    }
}
