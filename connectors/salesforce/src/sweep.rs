//! One pass over what changed: from the newest stamp less an overlap up to now less a lag, in order of stamp and id. The
//! watermark moves to the newest stamp that was read, never to "now".

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::{Cursor, Fault, read};
use serde::{Deserialize, Serialize};

use super::query::Rows;
use super::{Salesforce, soql_instant, wire};

/// Key of the newest stamp that was read.
const STAMP: &str = "stamp";
/// Key of a pass that is under way.
const PASS: &str = "pass";
/// No org is older.
const FIRST: Timestamp = Timestamp::constant(915_148_800, 0);
/// Narrower windows are not asked for.
const NARROWEST: SignedDuration = SignedDuration::from_mins(1);
/// Windows are halved this often within one page.
const HALVINGS: usize = 24;

/// What is asked for.
pub(crate) struct Question<'a> {
    pub(crate) object: &'a str,
    pub(crate) columns: String,
    pub(crate) filter: Option<&'a str>,
}

/// A pass under way: how far it has come, and where it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pass {
    from: Option<Timestamp>,
    until: Timestamp,
    /// Where the pass ends, where `until` was brought nearer because the org could not answer in time.
    goal: Timestamp,
    /// Stamp and id of the last row that was read: it goes on from here when the locator is dead.
    last: Option<(Timestamp, String)>,
    /// The locator's next page.
    next: Option<String>,
}

impl Pass {
    fn halved(&self) -> Option<Self> {
        let from = self.last.as_ref().map(|(stamp, _)| *stamp).or(self.from).unwrap_or(FIRST);
        let half = from.duration_until(self.until).checked_div(2).filter(|half| *half >= NARROWEST)?;
        let until = from.checked_add(half).ok()?;
        Some(Self { until, next: None, ..self.clone() })
    }
}

/// A page of a pass.
pub(crate) struct Swept {
    /// Rows with what every record carries.
    pub(crate) rows: Vec<(wire::Head, Timestamp, String)>,
    /// Rows that lack it, with the reason.
    pub(crate) unreadable: Vec<(String, String)>,
    pub(crate) next: Cursor,
    pub(crate) more: bool,
    pub(crate) until: Timestamp,
}

/// Whether a pass is under way.
pub(crate) fn is_under_way(cursor: &Cursor) -> bool {
    cursor.0.contains_key(PASS)
}

/// A cursor that begins here.
pub(crate) fn begun(stamp: Timestamp) -> Cursor {
    Cursor([(STAMP.to_owned(), stamp.to_string())].into())
}

impl Salesforce {
    /// The next page of a pass. A locator is used while it lives and never needed: a dead one, and one of another
    /// session, is replaced by the place of the last row.
    pub(crate) async fn sweep(&self, question: &Question<'_>, cursor: &Cursor) -> Result<Swept, Fault> {
        let stamp = cursor.0.get(STAMP).and_then(|text| text.parse::<Timestamp>().ok());
        let kept = cursor.0.get(PASS).and_then(|text| serde_json::from_str::<Pass>(text).ok());
        let mut pass = kept.unwrap_or_else(|| self.pass(stamp));
        for _ in 0..HALVINGS {
            match self.turn(question, &pass).await {
                Ok(rows) => return Ok(swept(rows, pass, stamp)),
                Err(fault) => match fault.code.as_deref() {
                    Some(code) if pass.next.is_some() && code.contains("QUERY_LOCATOR") => pass.next = None,
                    Some("QUERY_TIMEOUT" | "OPERATION_TOO_LARGE" | "REQUEST_RUNNING_TOO_LONG") => {
                        pass = pass.halved().ok_or(fault)?;
                    }
                    _ => return Err(fault),
                },
            }
        }
        Err(self.client.fault(milestoned_connector_kit::Class::Unreachable, "no window is short enough", None))
    }

    fn pass(&self, stamp: Option<Timestamp>) -> Pass {
        let until = self.client.now().saturating_sub(self.settings.lag).unwrap_or(Timestamp::MIN);
        let from = stamp.and_then(|stamp| stamp.checked_sub(self.settings.overlap).ok());
        Pass { from, until, goal: until, last: None, next: None }
    }

    async fn turn(&self, question: &Question<'_>, pass: &Pass) -> Result<Rows, Fault> {
        match &pass.next {
            Some(next) => self.page(next).await,
            None => self.ask(&soql(question, pass), true).await,
        }
    }
}

fn soql(question: &Question<'_>, pass: &Pass) -> String {
    let mut conditions: Vec<String> = question.filter.map(|filter| format!("({filter})")).into_iter().collect();
    if let Some((stamp, id)) = &pass.last {
        let stamp = soql_instant(*stamp);
        conditions.push(format!("(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{id}'))"));
    } else if let Some(from) = pass.from {
        conditions.push(format!("SystemModstamp >= {}", soql_instant(from)));
    }
    conditions.push(format!("SystemModstamp < {}", soql_instant(pass.until)));
    format!(
        "SELECT {} FROM {} WHERE {} ORDER BY SystemModstamp, Id",
        question.columns,
        question.object,
        conditions.join(" AND ")
    )
}

/// What a page comes to, and where the pass stands after it.
fn swept(rows: Rows, mut pass: Pass, stamp: Option<Timestamp>) -> Swept {
    let (mut read, mut unreadable, mut newest) = (Vec::new(), Vec::new(), stamp);
    for raw in rows.rows {
        let head = read::json::<wire::Head>(&raw).and_then(|head| {
            let at = head.stamp.parse::<Timestamp>().map_err(|error| format!("SystemModstamp: {error}"))?;
            Ok((head, at))
        });
        match head {
            Ok((head, at)) => {
                newest = newest.max(Some(at));
                pass.last = Some((at, head.id.clone()));
                read.push((head, at, raw));
            }
            Err(reason) => unreadable.push((raw, reason)),
        }
    }
    let mut next = newest.map(begun).unwrap_or_default();
    let more = rows.next.is_some() || pass.until < pass.goal;
    let until = pass.until;
    if more {
        pass = match rows.next {
            Some(locator) => Pass { next: Some(locator), ..pass },
            None => Pass { from: Some(pass.until), until: pass.goal, goal: pass.goal, last: None, next: None },
        };
        next.0.extend(serde_json::to_string(&pass).ok().map(|text| (PASS.to_owned(), text)));
    }
    Swept { rows: read, unreadable, next, more, until }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn pass() -> Pass {
        let until = at("2026-03-02T09:00:00Z");
        Pass { from: Some(at("2026-03-02T08:00:00Z")), until, goal: until, last: None, next: None }
    }

    #[test]
    fn a_window_that_is_too_large_is_halved_down_to_a_minute_and_then_gone_on_with() {
        let mut halved = pass().halved().unwrap();
        assert_eq!((halved.until, halved.goal), (at("2026-03-02T08:30:00Z"), at("2026-03-02T09:00:00Z")));
        let rest = swept(Rows { rows: Vec::new(), next: None }, halved.clone(), None);
        assert!(rest.more, "the other half is still to be read");
        let on: Pass = serde_json::from_str(&rest.next.0["pass"]).unwrap();
        assert_eq!((on.from, on.until), (Some(at("2026-03-02T08:30:00Z")), at("2026-03-02T09:00:00Z")));
        while let Some(next) = halved.halved() {
            halved = next;
        }
        assert!(at("2026-03-02T08:00:00Z").duration_until(halved.until) >= NARROWEST);
    }

    #[test]
    fn a_pass_without_a_locator_goes_on_behind_its_last_row() {
        let question = Question { object: "X", columns: "Id".into(), filter: Some("A = 1 OR B = 2") };
        let row = r#"{"Id":"006000000000001AAA","SystemModstamp":"2026-03-02T08:10:00.000+0000"}"#;
        let page = swept(Rows { rows: vec![row.into()], next: Some("/services/data/x".into()) }, pass(), None);
        let mut on: Pass = serde_json::from_str(&page.next.0["pass"]).unwrap();
        on.next = None;
        assert_eq!(
            soql(&question, &on),
            "SELECT Id FROM X WHERE (A = 1 OR B = 2) AND (SystemModstamp > 2026-03-02T08:10:00Z OR (SystemModstamp = \
             2026-03-02T08:10:00Z AND Id > '006000000000001AAA')) AND SystemModstamp < 2026-03-02T09:00:00Z ORDER BY \
             SystemModstamp, Id"
        );
    }
}
