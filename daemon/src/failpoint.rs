//! Named places between durable steps, at which a harness lets the process die. Without the feature `failpoints` they are
//! nothing.

/// Every place, in the order of a fact's way through the house.
#[cfg(feature = "failpoints")]
pub const PLACES: [&str; 19] = [
    "migrated",
    "lease_taken",
    "lease_passed_on",
    "hint_stored",
    "page_half_stored",
    "page_stored",
    "record_settled",
    "landing",
    "landed",
    "claimed",
    "looked_up",
    "written",
    "customer_created",
    "settled",
    "token_rotated",
    "token_stored",
    "mail_claimed",
    "mail_sent",
    "mail_settled",
];

/// Places in the commands that copy a database and put it back.
#[cfg(feature = "failpoints")]
pub const COPYING: [&str; 6] =
    ["backup_copied", "backup_checked", "restore_copied", "restore_in_doubt", "restore_aside", "restored"];

/// The process has come to a place. `MILESTONED_DIE_AT=claimed:3` lets it die when it comes to `claimed` for the third
/// time: at once, nothing is closed or written.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static END: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let end = END.get_or_init(|| {
        let text = std::env::var("MILESTONED_DIE_AT").ok()?;
        let (place, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((place.to_owned(), count.parse().ok()?))
    });
    if let Some((_, count)) = end.as_ref().filter(|(end, _)| end == place)
        && PASSED.fetch_add(1, Ordering::SeqCst).saturating_add(1) == *count
    {
        std::process::abort();
    }
}

/// Without the feature nothing dies.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn pass(_: &str) {}
