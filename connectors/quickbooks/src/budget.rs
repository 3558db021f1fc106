//! Reads are metered by the month, and an app that has used them up is shown to its customers as broken: they are counted,
//! the count survives a restart, and the last one is not overstepped.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use milestoned_connector_kit::{Class, Fault};
use tokio::sync::Mutex;

use super::QuickBooks;

/// Name of the count in the store: `2026-11 1234`.
const READS: &str = "reads";
/// The count is stored every so many reads; as many may be forgotten by a crash.
const STEP: u64 = 20;

/// What was read this month.
#[derive(Default)]
pub(crate) struct Budget(Mutex<Option<Spent>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    /// First day of the month, UTC.
    month: Date,
    pub(crate) reads: u64,
}

impl Budget {
    /// Counts a read.
    ///
    /// # Errors
    /// The month's reads are used up; again when the next month begins.
    pub(crate) async fn spend(&self, connection: &QuickBooks) -> Result<(), Fault> {
        let month = month(connection);
        let mut held = self.0.lock().await;
        let known = match *held {
            Some(known) => known,
            None => stored(connection, month).await,
        };
        let mut spent = if known.month == month { known } else { Spent { month, reads: 0 } };
        if spent.reads >= connection.settings.reads_a_month {
            let until = month.last_of_month().tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
            let class = Class::Throttled { until: until.ok().map(|next| next.timestamp()) };
            let said = "the month's reads are used up: raise reads_a_month if the plan allows more";
            return Err(connection.client.fault(class, said, None));
        }
        spent.reads = spent.reads.saturating_add(1);
        *held = Some(spent);
        if spent.reads.checked_rem(STEP) == Some(0) {
            let text = format!("{} {}", spent.month, spent.reads);
            let saved = connection.store.save(connection.client.system(), READS, &text).await;
            return saved.map_err(|said| connection.client.fault(Class::Unreachable, said, None));
        }
        Ok(())
    }

    /// Reads of this month.
    pub(crate) async fn reads(&self, connection: &QuickBooks) -> u64 {
        let month = month(connection);
        self.0.lock().await.filter(|spent| spent.month == month).map_or(0, |spent| spent.reads)
    }
}

fn month(connection: &QuickBooks) -> Date {
    connection.client.now().to_zoned(TimeZone::UTC).date().first_of_month()
}

/// The stored count; none is a new beginning.
async fn stored(connection: &QuickBooks, month: Date) -> Spent {
    let text = connection.store.load(connection.client.system(), READS).await.ok().flatten();
    let read = |text: String| {
        let (month, reads) = text.split_once(' ')?;
        Some(Spent { month: month.parse().ok()?, reads: reads.parse().ok()? })
    };
    text.and_then(read).unwrap_or(Spent { month, reads: 0 })
}
