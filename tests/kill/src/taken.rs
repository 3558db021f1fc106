//! What the daemon has said that it took is in its database: looked up there, past the daemon.

use std::collections::BTreeSet;

use crate::kills::delivery_of;
use crate::script::Taken;
use crate::world::{Database, World};

/// Webhooks of the simulated Jira that were answered with a success.
pub(crate) fn webhooks(world: &World) -> Vec<Taken> {
    let deliveries = world.simulators.jira.deliveries();
    let sent = deliveries.list("sent").iter();
    // One that is tried again on a later day is taken for a replay, and tells nothing: polls have seen it by then.
    let hinting = sent.filter(|letter| letter.int("tries") == 0 && !letter.text("body").contains("issue_property_"));
    hinting.map(|letter| Taken::Webhook("jira".into(), delivery_of(&letter.text("body")))).collect()
}

/// What is not in the database although the daemon said that it took it, and facts that are there more than once.
pub(crate) async fn missing(database: &Database, taken: &[Taken]) -> anyhow::Result<Vec<String>> {
    let kept = match database {
        Database::File(path) => kept_in_file(path)?,
        Database::Url(url) => kept_in_server(url).await?,
    };
    let there = |taken: &&Taken| match taken {
        Taken::Contract(id) => kept.contains(&format!("contract {id}")),
        Taken::Webhook(system, id) => kept.contains(&format!("hint {system} {id}")),
        Taken::Fact(contract, key) => kept.contains(&format!("fact {contract} api:{key}")),
        Taken::Amendment(contract, _) => kept.iter().any(|row| row.starts_with(&format!("fact {contract} amendment:"))),
    };
    Ok(taken.iter().filter(|one| !there(one)).map(|one| format!("acknowledged and not there: {one:?}")).collect())
}

const ROWS: &str = "SELECT 'hint ' || system || ' ' || delivery FROM hint
    UNION ALL SELECT 'contract ' || id FROM contract
    UNION ALL SELECT 'fact ' || contract || ' ' || identity FROM fact";

fn kept_in_file(path: &std::path::Path) -> anyhow::Result<BTreeSet<String>> {
    let connection = rusqlite::Connection::open(path)?;
    let mut statement = connection.prepare(ROWS)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

async fn kept_in_server(url: &str) -> anyhow::Result<BTreeSet<String>> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let rows = client.query(ROWS, &[]).await?.iter().map(|row| row.get::<_, String>(0)).collect();
    connection.abort();
    Ok(rows)
}
