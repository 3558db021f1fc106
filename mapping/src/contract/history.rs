//! Contracts that are under way when milestoned takes over, section 11 of the rules: what happened before is known before
//! everything else, and what is dated before the first date of the books was booked by others.

use super::state::Contract;
use super::wrong;
use crate::fact::{Event, Past};
use crate::problem::Problem;
use crate::rules::Code;

impl Contract {
    /// Takes the history, in the order given, and opens the books.
    pub(super) fn take_over(&mut self) -> Result<(), Problem> {
        let history = self.terms.history.clone();
        for (index, past) in history.iter().enumerate() {
            self.take_past(past).map_err(|problem| problem.inside(&format!("history[{index}]")))?;
        }
        self.open_books();
        Ok(())
    }

    fn take_past(&mut self, past: &Past) -> Result<(), Problem> {
        if past.on > self.as_of {
            let reason = format!("{} is after the first day, {}", past.on, self.as_of);
            return Err(wrong("on", reason));
        }
        if let Some(from) = self.terms.books_from.filter(|from| past.on >= *from) {
            return Err(wrong("on", format!("{} is not before books_from, {from}", past.on)));
        }
        self.check_event(&past.event)?;
        if let Event::Amended(amendment) = &past.event {
            if !amendment.signed {
                return Err(wrong("signed", "must be true: what was not signed changed nothing"));
            }
            self.check_items(amendment)?;
        }
        let before = self.exceptions.len();
        self.happen(&past.event, self.own_date(past.on));
        // An exception that an item opens (but for AMENDED_AFTER_INVOICE, which is told when the first day begins) is
        // a mistake in the file.
        let opened = self.exceptions.iter().skip(before).find(|exception| exception.code != Code::AmendedAfterInvoice);
        match opened {
            Some(exception) => Err(wrong("type", format!("would open {}: correct it or leave it out", exception.code))),
            None => Ok(()),
        }
    }
}
