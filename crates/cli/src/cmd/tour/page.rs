//! What is fetched.

use bytes::Bytes;

/// A page that changes between visits.
#[derive(Clone)]
pub(super) struct Page {
    octets: Bytes,
    changes: bool,
}

impl Page {
    /// The page that comes with the program.
    pub(super) fn built_in() -> Self {
        Self { octets: Bytes::from_static(include_bytes!("page.html")), changes: false }
    }

    pub(super) fn new(octets: Vec<u8>) -> Self {
        Self { octets: octets.into(), changes: false }
    }

    /// The same page, of which the first visitor gets an earlier edition.
    pub(super) fn changing(&self) -> Self {
        Self { octets: self.octets.clone(), changes: true }
    }

    /// What the visitor of that number gets, counted from zero. The earlier edition is as long as the page and
    /// differs from it in every octet.
    pub(super) fn edition(&self, visit: u32) -> Bytes {
        if self.changes && visit == 0 {
            self.octets.iter().map(|octet| octet ^ 0x20).collect()
        } else {
            self.octets.clone()
        }
    }
}
