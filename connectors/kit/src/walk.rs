//! A walk through what changed lately, in the order of ids: for remotes that have neither tokens of pages nor a feed of
//! changes. Rows that change during a walk move no other row to another page, and are met again by the next walk.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Cursor;
use crate::http::Answer;

/// Key of the instant, by the remote's clock, up to which everything was met.
const THROUGH: &str = "through";
/// Key of a walk that is under way.
const WALK: &str = "walk";

/// A walk under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// Changes since then, by the remote's clock; `None`: everything.
    pub since: Option<Timestamp>,
    /// Ids after this one.
    pub last: i64,
    /// When it began, by our clock.
    pub began: Timestamp,
    /// When it began, by the remote's clock; known after the first answer.
    there: Option<Timestamp>,
}

impl Walk {
    /// The walk that a cursor is in, or the next one, which begins `now` and looks back by `overlap`.
    pub fn resume(from: &Cursor, overlap: SignedDuration, now: Timestamp) -> Self {
        let kept = from.0.get(WALK).and_then(|text| serde_json::from_str(text).ok());
        kept.unwrap_or_else(|| {
            let through = from.0.get(THROUGH).and_then(|text| text.parse::<Timestamp>().ok());
            let since = through.and_then(|through| through.checked_sub(overlap).ok());
            Self { since, last: 0, began: now, there: None }
        })
    }

    /// Takes notice of an answer of the remote: the first one tells when the walk began by its clock. A remote that does
    /// not tell is taken to have ours.
    pub fn answered(&mut self, answer: &Answer) {
        if self.there.is_none() {
            let told = answer.header("date").and_then(|text| jiff::fmt::rfc2822::parse(&text).ok());
            self.there = Some(told.map_or(self.began, |zoned| zoned.timestamp()));
        }
    }

    /// The cursor after a page whose last id was `last`; `None`: it was the last page.
    pub fn after(mut self, last: Option<i64>) -> Cursor {
        let through = self.there.unwrap_or(self.began);
        Cursor(match last {
            None => [(THROUGH.to_owned(), through.to_string())].into(),
            Some(last) => {
                self.last = last;
                serde_json::to_string(&self).ok().map(|text| (WALK.to_owned(), text)).into_iter().collect()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_on_after_its_last_id_and_the_next_one_looks_back_from_its_beginning_by_the_remotes_clock() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let (overlap, mut headers) = (SignedDuration::from_mins(10), reqwest::header::HeaderMap::new());
        headers.insert("date", "Mon, 02 Mar 2026 11:30:00 GMT".parse().unwrap());
        let answer = Answer { status: reqwest::StatusCode::OK, headers, body: String::new() };
        let mut first = Walk::resume(&Cursor::default(), overlap, now);
        assert_eq!((first.since, first.last), (None, 0));
        first.answered(&answer);
        let cursor = first.clone().after(Some(70));
        let second = Walk::resume(&cursor, overlap, "2026-03-02T12:45:00Z".parse().unwrap());
        assert_eq!(second, Walk { last: 70, ..first });
        let next = Walk::resume(&second.after(None), overlap, now);
        assert_eq!((next.since, next.last), ("2026-03-02T11:20:00Z".parse().ok(), 0));
    }
}
