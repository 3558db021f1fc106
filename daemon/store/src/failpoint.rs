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
/// time: at once, nothing is closed or written. `MILESTONED_PANIC_AT=deciding:2` lets the loop panic there.
#[cfg(feature = "failpoints")]
#[expect(clippy::panic, reason = "a harness wants one")]
pub fn pass(place: &str) {
    static DIES: Plan = Plan::new("MILESTONED_DIE_AT");
    static PANICS: Plan = Plan::new("MILESTONED_PANIC_AT");
    if DIES.is_carried_out(place) {
        std::process::abort();
    }
    if PANICS.is_carried_out(place) {
        panic!("a harness wants a panic at {place}");
    }
}

/// At which passing of which place something happens, as a variable of the environment says.
#[cfg(feature = "failpoints")]
struct Plan {
    variable: &'static str,
    at: std::sync::OnceLock<Option<(String, u32)>>,
    passed: std::sync::atomic::AtomicU32,
}

#[cfg(feature = "failpoints")]
impl Plan {
    const fn new(variable: &'static str) -> Self {
        Self { variable, at: std::sync::OnceLock::new(), passed: std::sync::atomic::AtomicU32::new(0) }
    }

    fn is_carried_out(&self, place: &str) -> bool {
        let at = self.at.get_or_init(|| {
            let text = std::env::var(self.variable).ok()?;
            let (place, count) = text.split_once(':').unwrap_or((&text, "1"));
            Some((place.to_owned(), count.parse().ok()?))
        });
        at.as_ref().is_some_and(|(at, count)| {
            at == place && self.passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst).saturating_add(1) == *count
        })
    }
}

/// Without the feature nothing dies.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn pass(_: &str) {}
