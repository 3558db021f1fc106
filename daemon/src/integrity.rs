//! Whether the trail and every row are as they were written, as was found last. Queue, metrics and pages show it; it is compared
//! again by itself from time to time, and by `audit verify`.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// What a comparison of everything with what attests it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// When.
    pub at: Timestamp,
    /// What is wrong: the row or line, and what is wrong with it.
    pub flaws: Vec<(String, String)>,
}

/// The latest comparison of this process.
#[derive(Debug, Default)]
pub struct Integrity(Mutex<Option<Compared>>);

impl Integrity {
    /// What was found last; `None`: nothing was compared yet.
    pub fn latest(&self) -> Option<Compared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what was found.
    pub fn keep(&self, compared: Compared) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(compared);
    }
}
