//! Contracts that are under way when milestoned takes over, section 11 of the rules: what happened before is known before
//! everything else, and what is dated before the first date of the books was booked by others.

use super::FactError;
use super::state::Contract;
use crate::fact::{Event, Past};
use crate::rules::Code;

impl Contract {
    /// Takes the history, in the order given, and opens the books.
    pub(super) fn take_over(&mut self) -> Result<(), FactError> {
        let history = self.terms.history.clone();
        for (index, past) in history.iter().enumerate() {
            self.take_past(past).map_err(|error| FactError {
                field: format!("history[{index}].{}", error.field),
                reason: error.reason,
            })?;
        }
        self.open_books();
        Ok(())
    }

    fn take_past(&mut self, past: &Past) -> Result<(), FactError> {
        if past.on > self.as_of {
            let reason = format!("{} is after the first day, {}", past.on, self.as_of);
            return Err(FactError::new("on", reason));
        }
        if let Some(from) = self.terms.books_from.filter(|from| past.on >= *from) {
            return Err(FactError::new("on", format!("{} is not before books_from, {from}", past.on)));
        }
        self.check_event(&past.event)?;
        if let Event::Amended(amendment) = &past.event {
            if !amendment.signed {
                return Err(FactError::new("signed", "must be true: what was not signed changed nothing"));
            }
            self.check_items(amendment)?;
        }
        let before = self.exceptions.len();
        self.happen(&past.event, self.own_date(past.on));
        // What follows from an item is told when the first day begins; what is wrong with it is wrong with the file.
        let wrong = self.exceptions.iter().skip(before).find(|one| one.code != Code::AmendedAfterInvoice);
        match wrong {
            Some(exception) => {
                Err(FactError::new("type", format!("would open {}: correct it or leave it out", exception.code)))
            }
            None => Ok(()),
        }
    }
}
