//! Which record of an ERP is which customer: what a remote proposed, and what people decided.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::customers::Known;
use milestoned_mapping::command::Command;
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::record::{Content, InvoiceSeen};
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::{CUSTOMER_RECORD, LEG_PART, OUTBOX};
use super::audit::{self, Entry};
use super::session::{Row, values};
use super::vocabulary::DeliveryState;
use super::{Store, StoreError, Verb, instant, json, parse};

/// A customer of whom a person has to say, or has said, which record of an ERP it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerRecord {
    /// Connection of the ERP.
    pub erp: String,
    /// The customer's name in the agreements.
    pub name: String,
    /// The ERP's id of the record, or `new`; absent: nobody has said it yet.
    pub remote_id: Option<String>,
    /// Records that are called alike, as the ERP had them when it was asked.
    #[schema(value_type = Vec<Object>)]
    pub alike: Vec<Known>,
    /// Who said it last; before that the connection.
    pub actor: Actor,
    /// When, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Timestamp,
}

/// Notes that records are called alike, for a person to choose from.
pub(super) fn propose(
    tx: &Session<'_>,
    erp: &str,
    name: &str,
    alike: &[Known],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.overwrite(&CUSTOMER_RECORD, values![erp, name], || {
        tx.run(
            "INSERT INTO customer_record (erp, name, remote_id, alike, actor, decided_at) VALUES ($1, $2, NULL, $3, $1, $4)
             ON CONFLICT (erp, name) DO UPDATE SET remote_id = NULL, alike = $3, actor = $1, decided_at = $4",
            values![erp, name, json(&alike)?, instant(now)],
        )
    })
    .map(drop)
}

impl Store {
    /// Says which record of an ERP a customer is; a delivery that waits for that goes on. Gives how many do.
    ///
    /// # Errors
    /// The database failed.
    pub fn choose_customer(
        &self,
        erp: String,
        name: String,
        remote_id: String,
        (actor, why): (Actor, String),
        now: Timestamp,
    ) -> Verb<'_, usize> {
        self.write(move |tx| {
            tx.overwrite(&CUSTOMER_RECORD, values![erp, name], || {
                tx.run(
                    "INSERT INTO customer_record (erp, name, remote_id, alike, actor, decided_at)
                     VALUES ($1, $2, $3, '[]', $4, $5)
                     ON CONFLICT (erp, name) DO UPDATE SET remote_id = $3, actor = $4, decided_at = $5",
                    values![erp, name, remote_id, actor.name(), instant(now)],
                )
            })?;
            let detail = format!("{name:?} is {remote_id} in {erp}: {why}");
            let mut lines = vec![Entry::by(&actor, Action::CustomerChosen, None, name.clone(), detail)];
            let mut released = 0;
            for (key, contract, subject) in waiting(tx, &erp, &name)? {
                let sql = "UPDATE outbox SET state = 'unknown', due_at = $2, settled_at = NULL WHERE key = $1
                           AND state = 'parked'";
                // A row that is not attested stays as it is, for the claim to park.
                let freed = match tx.change(&OUTBOX, values![key], || tx.run(sql, values![key, instant(now)])) {
                    Err(StoreError::Unattested { .. }) => 0,
                    freed => freed?,
                };
                if freed > 0 {
                    let detail = format!("key {key}: {why}");
                    lines.push(Entry::by(&actor, Action::DeliveryReleased, Some(&contract), subject, detail));
                    released = usize::saturating_add(released, 1);
                }
            }
            audit::append(tx, now, &lines)?;
            Ok(released)
        })
    }

    /// Ids, or `new`, that people gave for customers of an ERP, by name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn chosen_customers(&self, erp: String) -> Result<BTreeMap<String, String>, StoreError> {
        let all = self.customer_records().await?;
        let of_it = all.into_iter().filter(|one| one.erp == erp);
        Ok(of_it.filter_map(|one| Some((one.name, one.remote_id?))).collect())
    }

    /// All of whom anything is known; rows that are not attested say nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn customer_records(&self) -> Verb<'_, Vec<CustomerRecord>> {
        self.read(|tx| {
            let mut all = Vec::new();
            tx.each(CUSTOMER_RECORD.all, values![], |row| {
                if tx.examine(&CUSTOMER_RECORD, row, 0)?.genuine {
                    all.push(read(row)?);
                }
                Ok(())
            })?;
            all.sort_by(|one: &CustomerRecord, other| (&one.name, &one.erp).cmp(&(&other.name, &other.erp)));
            Ok(all)
        })
    }

    /// The ERP's ids of customers that were found or created there, by connection and name, as deliveries have told.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found_customers(&self) -> Result<BTreeMap<(String, String), String>, StoreError> {
        let deliveries = self.deliveries(None, &[DeliveryState::Done]).await?;
        let of_customers = deliveries.into_iter().filter_map(|one| match one.command {
            Some(Command::Customer { name, .. }) => Some(((one.target, name), one.remote_id?)),
            _ => None,
        });
        Ok(of_customers.collect())
    }
}

impl Store {
    /// What the ERP has added as tax to the documents of a contract, by number, where it has told. A part that is not attested
    /// says nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn taxes(&self, contract: String) -> Verb<'_, BTreeMap<String, DecimalText>> {
        self.read(move |tx| {
            let sql = "SELECT CAST(0 AS BIGINT), system, object, remote_id, contract, leg, milestone, part, mac
                       FROM leg_part WHERE contract = $1 AND leg = 'erp'";
            let mut taxes = BTreeMap::new();
            tx.each(sql, values![contract], |row| {
                if !tx.examine(&LEG_PART, row, 0)?.genuine {
                    return Ok(());
                }
                let part: Content = parse("leg_part", "part", &contract, &row.get::<String>(7)?)?;
                if let Content::Invoice(InvoiceSeen { number, tax: Some(tax), .. }) = part {
                    taxes.insert(number, tax);
                }
                Ok(())
            })?;
            Ok(taxes)
        })
    }
}

/// Deliveries of a customer that wait for a person: key, contract, subject.
fn waiting(tx: &Session<'_>, erp: &str, name: &str) -> Result<Vec<(String, String, String)>, StoreError> {
    let sql = "SELECT key, contract, subject, command FROM outbox WHERE target = $1 AND kind = 'customer'
               AND state = 'parked' ORDER BY ordinal";
    let mut found = Vec::new();
    tx.each(sql, values![erp], |row| {
        let (key, command): (String, String) = (row.get(0)?, row.get(3)?);
        let command: Command = parse("outbox", "command", &key, &command)?;
        let of_it = matches!(&command, Command::Customer { name: one, .. } if one == name);
        if of_it {
            found.push((key, row.get(1)?, row.get(2)?));
        }
        Ok(())
    })?;
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<CustomerRecord, StoreError> {
    let name: String = row.get(2)?;
    Ok(CustomerRecord {
        erp: row.get(1)?,
        remote_id: row.get(3)?,
        alike: parse("customer_record", "alike", &name, &row.get::<String>(4)?)?,
        actor: row.actor(5)?,
        decided_at: row.parsed(6, "customer_record.decided_at")?,
        name,
    })
}
