//! What every connector must be able to bear, played against a simulated vendor. A connector brings a [`Remote`] of about
//! twenty lines and gets every check by [`conformance!`](crate::conformance!).
//!
//! A check fails by a message; it assumes nothing of the vendor but what [`Remote`] says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::record::{Content, SourceRecord};

use crate::{After, Class, Cursor, Fault, Receipt, Sink, Source, Write};

/// Most pulls of one stream in a check: a stream that does not end is a fault.
const PULLS: usize = 2000;
/// Most records of one page: more would not be constant memory.
const PAGE: usize = 5000;

/// Troubles, in the vocabulary of the simulators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The remote asks for time.
    Throttle,
    /// The answer is garbage.
    Garbage,
    /// The answer ends in the middle.
    Truncated,
    /// The session ends.
    ExpiredToken,
    /// The connection is dropped before anything is done.
    DropBeforeWrite,
    /// The connection is dropped after everything is done.
    DropAfterWrite,
    /// The remote answers with 500 after everything is done.
    ErrorAfterWrite,
    /// The remote refuses the connection or answers 5xx.
    Refuse,
}

impl Trouble {
    /// The simulators' name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Garbage => "garbage",
            Self::Truncated => "truncate",
            Self::ExpiredToken => "expire_token",
            Self::DropBeforeWrite => "drop_before_write",
            Self::DropAfterWrite => "drop_after_write",
            Self::ErrorAfterWrite => "error_after_write",
            Self::Refuse => "refuse",
        }
    }
}

/// The conditions of a test: time and troubles around a vendor and the connector under test.
pub trait Conditions: Sync {
    /// Time passes, for the vendor and for us.
    fn advance(&self, by: SignedDuration);
    /// Our clock shows so much more than the vendor's.
    fn skew(&self, by: SignedDuration);
    /// Trouble at the next requests.
    fn strike(&self, trouble: Trouble, times: u32);
}

/// A connector and the simulated vendor behind it, with one simulated clock for both.
pub trait Remote: Sync {
    /// The connector.
    type Connector: Source + Sink;

    /// The connector under test.
    fn connector(&self) -> &Self::Connector;
    /// The stream that [`Remote::create`] fills.
    fn stream(&self) -> &'static str;
    /// The stream that tells deletions, where it is another one.
    fn deletions(&self) -> &'static str {
        self.stream()
    }
    /// Somebody creates so many records in one instant. Their ids as [`SourceRecord::id`] has them.
    fn create(&self, count: usize) -> Vec<String>;
    /// Somebody changes a record.
    fn change(&self, id: &str);
    /// Somebody deletes a record.
    fn delete(&self, id: &str);
    /// Records show so much later than their stamp says.
    fn lag(&self, by: SignedDuration);
    /// Time and troubles around vendor and connector.
    fn conditions(&self) -> &dyn Conditions;
    /// Something new to write, and what it needs.
    fn command(&self, ordinal: u32) -> (DeliveryKey, Command, After);
    /// How many live documents or records the vendor holds of what [`Remote::command`] says.
    fn written(&self, ordinal: u32) -> usize;
}

type Check = Result<(), String>;

fn met(condition: bool, message: impl FnOnce() -> String) -> Check {
    if condition { Ok(()) } else { Err(message()) }
}

fn said(fault: &Fault) -> String {
    fault.to_string()
}

/// Every record of the stream after a cursor, and the cursor to go on with.
///
/// # Errors
/// A fault, an unreadable record, a page that is too large, a stream that does not end.
pub async fn drain<R: Remote>(remote: &R, from: &Cursor) -> Result<(Vec<SourceRecord>, Cursor), String> {
    drain_stream(remote, remote.stream(), from).await
}

async fn drain_stream<R: Remote>(
    remote: &R,
    stream: &str,
    from: &Cursor,
) -> Result<(Vec<SourceRecord>, Cursor), String> {
    let (mut records, mut cursor) = (Vec::new(), from.clone());
    for _ in 0..PULLS {
        let page = remote.connector().pull(stream, &cursor).await.map_err(|fault| said(&fault))?;
        met(page.unreadable.is_empty(), || format!("unreadable: {:?}", page.unreadable))?;
        met(page.records.len() <= PAGE, || format!("a page of {} records is not constant memory", page.records.len()))?;
        records.extend(page.records);
        cursor = page.next;
        if !page.more {
            return Ok((records, cursor));
        }
    }
    Err(format!("the stream does not end: {PULLS} pulls"))
}

/// The same, after enough time that what was created is old enough to be believed.
async fn drain_later<R: Remote>(remote: &R, from: &Cursor) -> Result<(Vec<SourceRecord>, Cursor), String> {
    remote.conditions().advance(SignedDuration::from_mins(10));
    drain(remote, from).await
}

fn ids(records: &[SourceRecord]) -> BTreeSet<String> {
    records.iter().filter(|record| record.content != Content::Gone).map(|record| record.id.clone()).collect()
}

fn all_came(records: &[SourceRecord], wanted: &[String]) -> Check {
    let came = ids(records);
    let missing: Vec<&String> = wanted.iter().filter(|id| !came.contains(*id)).collect();
    met(missing.is_empty(), || format!("{} of {} did not come: {missing:?}", missing.len(), wanted.len()))
}

/// Many records in one instant come all, page by page, no version twice, and nothing new comes as new again.
///
/// # Errors
/// What went wrong.
pub async fn ties_and_pages<R: Remote>(remote: &R) -> Check {
    let wanted = remote.create(450);
    let (records, cursor) = drain_later(remote, &Cursor::default()).await?;
    all_came(&records, &wanted)?;
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for record in &records {
        let times = seen.entry((&record.id, &record.version)).or_default();
        *times = times.saturating_add(1);
    }
    let twice = seen.iter().find(|(_, times)| **times > 1);
    met(twice.is_none(), || format!("a version came twice within one reading: {twice:?}"))?;
    let known: BTreeSet<(String, String)> =
        records.iter().map(|record| (record.id.clone(), record.version.clone())).collect();
    let (again, _) = drain_later(remote, &cursor).await?;
    let new = again.iter().find(|record| !known.contains(&(record.id.clone(), record.version.clone())));
    met(new.is_none(), || format!("nothing changed and a new version came: {new:?}"))
}

/// What appears at the watermark after it was read, and what appears with an older stamp, comes.
///
/// # Errors
/// What went wrong.
pub async fn the_watermark_overlaps<R: Remote>(remote: &R) -> Check {
    let mut wanted = remote.create(3);
    remote.lag(SignedDuration::from_secs(3));
    let late = remote.create(1);
    remote.lag(SignedDuration::ZERO);
    remote.conditions().advance(SignedDuration::from_secs(1));
    wanted.extend(remote.create(1));
    let (mut records, cursor) = drain(remote, &Cursor::default()).await?;
    wanted.extend(late);
    for step in [1, 2, 300] {
        remote.conditions().advance(SignedDuration::from_secs(step));
        let (more, _) = drain(remote, &cursor).await?;
        records.extend(more);
    }
    all_came(&records, &wanted)
}

/// A change is another version of the same record.
///
/// # Errors
/// What went wrong.
pub async fn a_change_is_a_new_version<R: Remote>(remote: &R) -> Check {
    let wanted = remote.create(2);
    let (before, cursor) = drain_later(remote, &Cursor::default()).await?;
    let changed = wanted.first().cloned().unwrap_or_default();
    remote.change(&changed);
    let (after, _) = drain_later(remote, &cursor).await?;
    let versions: BTreeSet<&str> = before
        .iter()
        .chain(&after)
        .filter(|record| record.id == changed)
        .map(|record| record.version.as_str())
        .collect();
    met(versions.len() >= 2, || format!("the change did not come: {versions:?}"))
}

/// A deletion comes with the changes, or the census lacks it and reading it again shows that it is gone.
///
/// # Errors
/// What went wrong.
pub async fn a_deletion_is_noticed<R: Remote>(remote: &R) -> Check {
    let wanted = remote.create(3);
    let (before, cursor) = drain_later(remote, &Cursor::default()).await?;
    let object = before.first().map(|record| record.object.clone()).unwrap_or_default();
    let deleted = wanted.get(1).cloned().unwrap_or_default();
    remote.delete(&deleted);
    let (mut after, _) = drain_later(remote, &cursor).await?;
    if remote.deletions() != remote.stream() {
        after.extend(drain_stream(remote, remote.deletions(), &Cursor::default()).await?.0);
    }
    if after.iter().any(|record| record.id == deleted && record.content == Content::Gone) {
        return Ok(());
    }
    let (mut named, mut from) = (BTreeSet::new(), Cursor::default());
    for _ in 0..PULLS {
        let page = remote.connector().census(remote.stream(), &from).await.map_err(|fault| said(&fault))?;
        let Some(page) = page else {
            return Err("a deletion comes neither with the changes nor is there a census".into());
        };
        named.extend(page.ids);
        from = page.next;
        if !page.more {
            break;
        }
    }
    met(wanted.iter().all(|id| named.contains(id) == (*id != deleted)), || {
        "the census names the wrong records".into()
    })?;
    let read = remote.connector().read(&object, &deleted).await.map_err(|fault| said(&fault))?;
    met(read.iter().any(|record| record.content == Content::Gone), || format!("read again it is not gone: {read:?}"))
}

/// Whatever happens to an answer, reading goes on from the same cursor and nothing is lost.
///
/// # Errors
/// What went wrong.
pub async fn troubled_reading_loses_nothing<R: Remote>(remote: &R) -> Check {
    let wanted = remote.create(30);
    remote.conditions().advance(SignedDuration::from_mins(10));
    let troubles = [
        Trouble::Throttle,
        Trouble::Garbage,
        Trouble::Truncated,
        Trouble::ExpiredToken,
        Trouble::Refuse,
        Trouble::DropBeforeWrite,
    ];
    for trouble in troubles {
        remote.conditions().strike(trouble, 1);
        let first = drain(remote, &Cursor::default()).await;
        if let Ok((records, _)) = &first {
            // The connector came over it by itself: then it has read everything.
            all_came(records, &wanted).map_err(|reason| format!("{trouble:?}: {reason}"))?;
        }
        remote.conditions().advance(SignedDuration::from_mins(2));
        let (records, _) =
            drain(remote, &Cursor::default()).await.map_err(|reason| format!("after {trouble:?}: {reason}"))?;
        all_came(&records, &wanted).map_err(|reason| format!("after {trouble:?}: {reason}"))?;
    }
    Ok(())
}

/// A clock that is wrong by minutes, either way, loses nothing.
///
/// # Errors
/// What went wrong.
pub async fn a_wrong_clock_loses_nothing<R: Remote>(remote: &R) -> Check {
    for skew in [SignedDuration::from_mins(4), SignedDuration::from_mins(-4)] {
        remote.conditions().skew(skew);
        let mut wanted = remote.create(2);
        let (mut records, mut cursor) = drain_later(remote, &Cursor::default()).await?;
        for _ in 0..3 {
            wanted.extend(remote.create(1));
            remote.conditions().advance(SignedDuration::from_secs(90));
            let (more, next) = drain(remote, &cursor).await?;
            records.extend(more);
            cursor = next;
        }
        let (more, _) = drain_later(remote, &cursor).await?;
        records.extend(more);
        all_came(&records, &wanted).map_err(|reason| format!("{skew:#}: {reason}"))?;
    }
    remote.conditions().skew(SignedDuration::ZERO);
    Ok(())
}

async fn put<R: Remote>(remote: &R, ordinal: u32) -> Result<Receipt, Fault> {
    let (key, command, after) = remote.command(ordinal);
    let nothing = || Fault {
        system: "conformance".into(),
        class: Class::Misunderstood,
        detail: "put said nothing".into(),
        code: None,
        request_id: None,
    };
    let write = Write { key: &key, command: &command, after: &after };
    remote.connector().put(&[write]).await.into_iter().next().unwrap_or_else(|| Err(nothing()))
}

/// The daemon's way after an unknown outcome: ask, and write only what is not there.
async fn ask_and_put<R: Remote>(remote: &R, ordinal: u32) -> Result<Receipt, Fault> {
    let (key, command, after) = remote.command(ordinal);
    let write = Write { key: &key, command: &command, after: &after };
    let found = remote.connector().find(&[write]).await?;
    match found.into_iter().next().flatten() {
        Some(found) => Ok(found.receipt),
        None => put(remote, ordinal).await,
    }
}

/// Whatever happens to a write, there is one document in the end, and the fault says whether it may have happened.
///
/// # Errors
/// What went wrong.
pub async fn a_troubled_write_happens_once<R: Remote>(remote: &R) -> Check {
    let troubles = [
        (Trouble::DropAfterWrite, true),
        (Trouble::ErrorAfterWrite, true),
        (Trouble::DropBeforeWrite, true),
        (Trouble::Throttle, false),
        (Trouble::ExpiredToken, false),
        (Trouble::Garbage, true),
    ];
    // Signed in beforehand, so that the trouble meets the write.
    put(remote, 0).await.map_err(|fault| said(&fault))?;
    for (ordinal, (trouble, doubtful)) in (1_u32..).zip(troubles) {
        remote.conditions().strike(trouble, 1);
        let first = put(remote, ordinal).await;
        let held = remote.written(ordinal);
        let wrong = |what: &str| format!("{trouble:?}: {what}: {first:?}");
        match &first {
            Ok(_) => met(held == 1, || wrong("it answers well and nothing is there"))?,
            Err(fault) if held == 1 => {
                met(doubtful && matches!(fault.class, Class::Unanswered | Class::Misunderstood), || {
                    wrong("it was written and the fault does not say so")
                })?
            }
            Err(_) => {}
        }
        remote.conditions().advance(SignedDuration::from_mins(2));
        ask_and_put(remote, ordinal).await.map_err(|fault| format!("after {trouble:?}: {fault}"))?;
        let held = remote.written(ordinal);
        met(held == 1, || format!("after {trouble:?}: {held} documents"))?;
    }
    Ok(())
}

/// As many writes as a lane takes share calls, each has its own outcome, and asking afterwards finds each.
///
/// # Errors
/// What went wrong.
pub async fn a_lane_carries_many<R: Remote>(remote: &R) -> Check {
    let commands: Vec<(DeliveryKey, Command, After)> = (100..130).map(|ordinal| remote.command(ordinal)).collect();
    let most = commands.first().map_or(1, |(_, command, _)| remote.connector().lane(command).most);
    met(most >= 1, || "a lane takes nothing".into())?;
    for chunk in commands.chunks(most) {
        let writes: Vec<Write<'_>> = chunk.iter().map(|(key, command, after)| Write { key, command, after }).collect();
        let outcomes = remote.connector().put(&writes).await;
        met(outcomes.len() == writes.len(), || format!("{} outcomes of {} writes", outcomes.len(), writes.len()))?;
        for outcome in outcomes {
            outcome.map_err(|fault| said(&fault))?;
        }
        let found = remote.connector().find(&writes).await.map_err(|fault| said(&fault))?;
        met(found.len() == writes.len(), || format!("{} answers to {} questions", found.len(), writes.len()))?;
    }
    for ordinal in 100..130 {
        let held = remote.written(ordinal);
        met(held == 1, || format!("write {ordinal}: {held} documents"))?;
    }
    Ok(())
}

/// A document without the customer that it is for is refused before anything is sent.
///
/// # Errors
/// What went wrong.
pub async fn nothing_is_written_for_nobody<R: Remote>(remote: &R) -> Check {
    let (key, command, _) = remote.command(0);
    if matches!(command, Command::BillingStatus(_)) {
        return Ok(());
    }
    let write = Write { key: &key, command: &command, after: &After::default() };
    let outcome = remote.connector().put(&[write]).await.into_iter().next();
    let refused = matches!(&outcome, Some(Err(fault)) if fault.class == Class::Refused);
    let held = remote.written(0);
    met(refused && held == 0, || format!("{held} documents are there, and the outcome is {outcome:?}"))
}

/// A test of each check: `conformance!(module_name, Rig::start().await)`, where the expression is a [`Remote`].
#[macro_export]
macro_rules! conformance {
    ($name:ident, $remote:expr) => {
        mod $name {
            use super::*;

            $crate::conformance!(@check $remote, ties_and_pages, the_watermark_overlaps, a_change_is_a_new_version,
                a_deletion_is_noticed, troubled_reading_loses_nothing, a_wrong_clock_loses_nothing,
                a_troubled_write_happens_once, a_lane_carries_many, nothing_is_written_for_nobody);
        }
    };
    (@check $remote:expr, $($check:ident),+) => {
        $(
            #[tokio::test]
            async fn $check() {
                let remote = $remote;
                if let Err(reason) = $crate::conformance::$check(&remote).await {
                    panic!("{reason}");
                }
            }
        )+
    };
}
