//! Files of known content, where no two places look alike: text that lands in the wrong place changes the sum.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const BLOCK: usize = 64 << 10;

/// A folder that is removed when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Folder {
    /// Makes an empty folder.
    ///
    /// # Panics
    ///
    /// When the temporary directory is not writable.
    #[must_use]
    pub fn new() -> Self {
        let name = format!("linger-interop-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it, for command lines.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file into it.
    ///
    /// # Panics
    ///
    /// When the disk is full.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), text).expect("the disk has room");
    }

    /// Writes `length` octets of content that depends on `seed`, and returns its SHA-256.
    ///
    /// # Panics
    ///
    /// When the disk is full.
    pub fn fill(&self, name: &str, length: u64, seed: u64) -> String {
        let mut file = File::create(self.0.join(name)).expect("the folder is writable");
        let mut sum = Sha256::new();
        let mut source = Content::new(length, seed);
        let mut block = vec![0; BLOCK];
        loop {
            let octets = source.read(&mut block).expect("content never fails");
            let Some(part) = block.get(..octets).filter(|part| !part.is_empty()) else { break };
            sum.update(part);
            file.write_all(part).expect("the disk has room");
        }
        hex(&sum.finalize())
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Octets from a seed: a sequence that does not repeat within any length used here.
#[derive(Debug)]
pub struct Content {
    left: u64,
    state: u64,
    spare: ([u8; 8], usize),
}

impl Content {
    /// `length` octets that depend on `seed`.
    #[must_use]
    pub fn new(length: u64, seed: u64) -> Self {
        Self { left: length, state: seed, spare: ([0; 8], 8) }
    }

    fn next(&mut self) -> [u8; 8] {
        // A Weyl sequence, scrambled: every state is visited once before any comes again.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 29)).to_le_bytes()
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..wanted).filter(|room| !room.is_empty()) {
            if self.spare.1 == 8 {
                self.spare = (self.next(), 0);
            }
            let (word, used) = self.spare;
            let part = word.get(used..).unwrap_or_default();
            let octets = part.len().min(room.len());
            for (to, from) in room.iter_mut().zip(part) {
                *to = *from;
            }
            self.spare.1 = used + octets;
            filled += octets;
        }
        self.left -= filled as u64;
        Ok(filled)
    }
}

/// The SHA-256 of everything `reader` gives, and how much that was.
///
/// # Errors
///
/// What reading gives.
pub fn sum(mut reader: impl Read) -> io::Result<(String, u64)> {
    let mut sum = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut length = 0;
    loop {
        let octets = reader.read(&mut block)?;
        match block.get(..octets) {
            Some(part) if !part.is_empty() => sum.update(part),
            _ => return Ok((hex(&sum.finalize()), length)),
        }
        length += octets as u64;
    }
}

/// The SHA-256 of a file, and its length.
///
/// # Panics
///
/// When it cannot be read.
#[must_use]
pub fn sum_of_file(path: impl AsRef<Path>) -> (String, u64) {
    let path = path.as_ref();
    File::open(path).and_then(sum).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Octets in hexadecimal.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_same_however_it_is_read_and_differs_by_seed() {
        let mut whole = Vec::new();
        Content::new(1000, 7).read_to_end(&mut whole).expect("never fails");
        let mut pieces = Vec::new();
        let mut source = Content::new(1000, 7);
        for size in 1..=45 {
            let mut piece = vec![0; size];
            let octets = source.read(&mut piece).expect("never fails");
            pieces.extend_from_slice(&piece[..octets]);
        }
        assert_eq!((whole.len(), &whole), (1000, &pieces));
        assert_ne!(
            sum(Content::new(1000, 8)).expect("never fails"),
            sum(whole.as_slice()).expect("never fails")
        );
    }

    #[test]
    fn a_filled_file_has_the_sum_that_was_said_and_the_folder_goes_away() {
        let folder = Folder::new();
        let said = folder.fill("a", 100_001, 1);
        assert_eq!(sum_of_file(folder.path().join("a")), (said, 100_001));
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
