//! Closing dates: a person says that the books of a period are closed.

use jiff::civil::Date;
use milestoned_mapping::problem::Problem;

use super::{Refused, Word};
use crate::environment::Environment;

/// Closes all dates through one for the contracts of an ERP, or of every ERP where none is named. For good: what is learned of
/// them afterwards is booked on the first open date. Gives the ERPs for whose contracts that were more dates than before.
///
/// # Errors
/// Why it was not taken; nothing was written.
pub async fn close_dates(
    env: &Environment,
    erp: Option<&str>,
    through: Date,
    word: &Word,
) -> Result<Vec<String>, Refused> {
    let now = env.clock.now();
    // On the last of the meridians the date is over when it is over everywhere.
    let everywhere = now.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-12))).date();
    if through >= everywhere {
        let reason = format!("{through} is not over everywhere");
        return Err(Refused::Invalid(Problem::new("through", reason, "close a period that is over")));
    }
    let erps: Vec<String> = env
        .registry
        .iter()
        .filter(|(name, entry)| entry.connection.takes_documents() && erp.is_none_or(|erp| erp == *name))
        .map(|(name, _)| name.to_owned())
        .collect();
    if erps.is_empty() {
        let reason = erp.map_or_else(|| "there is no ERP".to_owned(), |erp| format!("no ERP is called {erp:?}"));
        return Err(Refused::Missing(Problem::new("erp", reason, "write the name as the configuration has it")));
    }
    let mut closed = Vec::new();
    for name in erps {
        if env.store.close_dates(name.clone(), through, word.actor(), word.says("closed"), now).await? {
            closed.push(name);
        }
    }
    env.wake_ups.send_all();
    Ok(closed)
}
