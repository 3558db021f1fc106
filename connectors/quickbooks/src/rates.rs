//! Exchange rates of the company: those that an operator set, else QuickBooks' own of the document's date, asked once.

use jiff::civil::Date;
use milestoned_connector_kit::Fault;
use milestoned_connector_kit::read;
use milestoned_mapping::command::Command;
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::normalise::exact_decimal;

use super::{QuickBooks, wire};

/// Code for what the company does not have.
const UNKNOWN: &str = "2500";

impl QuickBooks {
    /// The rate of a currency on a date, as far as it is known.
    pub(crate) fn known_rate(&self, code: &str, date: Date) -> Option<DecimalText> {
        match self.settings.exchange_rates.get(code) {
            Some(rate) => rate.parse().ok(),
            None => self.rates.lock().ok()?.get(&(code.to_owned(), date)).copied(),
        }
    }

    /// Asks for the rate that a command needs, unless it is known.
    pub(crate) async fn learn_rate(&self, command: &Command) -> Result<(), Fault> {
        let (code, date) = match command {
            Command::Invoice(document) | Command::CreditMemo(document) => {
                (document.amount.currency().to_string(), document.date)
            }
            Command::JournalEntry(entry) => match entry.lines.first() {
                Some(line) => (line.amount.currency().to_string(), entry.date),
                None => return Ok(()),
            },
            Command::SalesOrder(order) => (order.amount.currency().to_string(), order.date),
            Command::AcceptanceRecord(_)
            | Command::BillingStatus(_)
            | Command::Customer { .. }
            | Command::InvoiceEmail(_) => return Ok(()),
        };
        let set = self.settings.exchange_rates.contains_key(&code);
        if set || code == self.settings.home_currency || self.known_rate(&code, date).is_some() {
            return Ok(());
        }
        let answer = match self.get(&format!("exchangerate?sourcecurrencycode={code}&asofdate={date}")).await {
            Err(fault) if fault.has_code(UNKNOWN) => return Ok(()),
            other => other?,
        };
        let read: wire::RateAnswer<'_> =
            read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let rate = read.rate.rate.and_then(|raw| exact_decimal(raw.get()));
        if let (Some(rate), Ok(mut known)) = (rate.filter(|rate| !rate.0.is_zero()), self.rates.lock()) {
            known.insert((code, date), rate);
        }
        Ok(())
    }
}
