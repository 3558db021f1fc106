//! What broke for others, one test for each: `docs/lessons.md` names the failure, where it was seen, and the test.

pub(crate) mod erp;
mod jira;
pub(crate) mod netsuite;
pub(crate) mod quickbooks;
mod salesforce;

use milestoned_connector_kit::{After, Cursor, Fault, Receipt, Sink, Source, Write};
use milestoned_mapping::command::{Command, DeliveryKey};
use milestoned_mapping::record::{Content, SourceRecord};

/// Everything that a stream has to tell after a cursor, which moves on.
async fn read_on(source: &impl Source, stream: &str, cursor: &mut Cursor) -> Result<Vec<SourceRecord>, Fault> {
    let mut records = Vec::new();
    let mut more = true;
    for _ in 0..1_000 {
        if !more {
            break;
        }
        let page = source.pull(stream, cursor).await?;
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        records.extend(page.records);
        (*cursor, more) = (page.next, page.more);
    }
    assert!(!more, "{stream} does not end");
    Ok(records)
}

/// Ids of a census.
async fn census(source: &impl Source, stream: &str) -> Result<Vec<String>, Fault> {
    let (mut ids, mut cursor) = (Vec::new(), Cursor::default());
    loop {
        let page = source.census(stream, &cursor).await?.expect("a census");
        ids.extend(page.ids);
        cursor = page.next;
        if !page.more {
            return Ok(ids);
        }
    }
}

/// Ids of records that are there, in order.
fn ids(records: &[SourceRecord]) -> Vec<&str> {
    records.iter().filter(|record| record.content != Content::Gone).map(|record| record.id.as_str()).collect()
}

/// Writes all at once.
async fn put(sink: &impl Sink, commands: &[(DeliveryKey, Command, After)]) -> Vec<Result<Receipt, Fault>> {
    let writes: Vec<Write<'_>> = commands.iter().map(|(key, command, after)| Write { key, command, after }).collect();
    sink.put(&writes).await
}
