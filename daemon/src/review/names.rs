//! Words that many contracts share (customers, connections, milestones), each kept in memory once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The words that are kept.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeSet<Arc<str>>);

impl Names {
    /// The one copy of a word.
    pub fn keep(&mut self, word: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(word) {
            return Arc::clone(kept);
        }
        let kept: Arc<str> = word.into();
        self.0.insert(Arc::clone(&kept));
        kept
    }
}
