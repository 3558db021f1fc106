//! How far something has come that takes longer than somebody waits: whoever does it counts, whoever waits for it looks.

use std::sync::atomic::{AtomicUsize, Ordering};

/// So many contracts of so many are read.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicUsize,
    of: AtomicUsize,
}

impl Progress {
    /// There are so many contracts to read, and none is read yet.
    pub fn begins(&self, of: usize) {
        self.read.store(0, Ordering::Relaxed);
        self.of.store(of, Ordering::Relaxed);
    }

    /// So many more are read.
    pub fn advances(&self, by: usize) {
        self.read.fetch_add(by, Ordering::Relaxed);
    }

    /// How many are read, and how many there are; there are none before it has begun.
    pub fn stands(&self) -> (usize, usize) {
        (self.read.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
    }
}
