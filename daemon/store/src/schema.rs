//! What of the database's own program is not ours: triggers, views, rules and policies could keep a row from being written, or
//! show other rows than there are, and no row would bear a wrong code.

use super::attest::Session;
use super::audit::Finding;
use super::session::{Sql, values};
use super::{StoreError, migrations};

/// The triggers that keep the lines of the trail.
const KEEPERS: [&str; 2] = ["audit_keeps_chained", "audit_keeps_lines"];

/// Kind, name and text.
const OBJECTS: Sql = Sql {
    postgres:
        "SELECT CASE WHEN t.tgenabled = 'O' THEN 'trigger' ELSE 'disabled trigger' END, CAST(t.tgname AS TEXT), f.prosrc
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_proc AS f ON f.oid = t.tgfoid WHERE NOT t.tgisinternal AND n.nspname = current_schema()
        UNION ALL SELECT 'rule', CAST(rulename AS TEXT), definition FROM pg_rules WHERE schemaname = current_schema()
        UNION ALL SELECT 'policy', CAST(policyname AS TEXT), '' FROM pg_policies WHERE schemaname = current_schema()
        UNION ALL SELECT 'view', CAST(viewname AS TEXT), definition FROM pg_views WHERE schemaname = current_schema()",
    sqlite: "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE type IN ('trigger', 'view')",
};

/// Tells every object of the database that is not one of ours as we made it, and those of ours that are gone.
pub(super) fn examine(tx: &Session<'_>, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let mut tell = |kind: &str, name: &str, what: &str| {
        findings.push(Finding { table: kind.into(), row: name.into(), what: what.into() });
    };
    let mut missing = KEEPERS.to_vec();
    tx.each(OBJECTS, values![], |row| {
        let (kind, name, text): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if kind == "trigger" && KEEPERS.contains(&name.as_str()) && is_ours(&text) {
            missing.retain(|keeper| *keeper != name);
        } else {
            tell(&kind, &name, "it was not made by milestoned, and may change what is written or read; drop it");
        }
        Ok(())
    })?;
    for keeper in missing {
        tell("trigger", keeper, "it is gone, or was changed: lines of the trail could be changed or deleted");
    }
    Ok(())
}

/// Whether this text of a trigger stands in a migration.
fn is_ours(text: &str) -> bool {
    let all = [migrations::sqlite::whole(), migrations::postgres::whole()];
    all.iter()
        .flat_map(refinery::Runner::get_migrations)
        .any(|migration| migration.sql().is_some_and(|sql| sql.contains(text.trim())))
}
