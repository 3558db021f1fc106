//! Which record of an ERP is which customer: what a remote proposed, and what people decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use milestoned_connector_kit::Receipt;
use milestoned_connector_kit::customers::{Known, NEW};
use milestoned_mapping::command::Command;
use milestoned_mapping::drift::Renamed;
use milestoned_mapping::fact::{Amendment, DecimalText, Event, Fact};
use milestoned_mapping::identifiers;
use milestoned_mapping::record::{ErpPart, InvoiceSeen};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::{CUSTOMER_CHOICE, CUSTOMER_NAME, CUSTOMER_RECORD, LEG_PART, OUTBOX, outbox_row};
use super::audit::{self, Entry};
use super::intake::mark_legs;
use super::session::{Row, Sql, among, values};
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

/// Which record of an ERP a customer is, as one of two people has said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerChoice {
    /// Connection of the ERP.
    pub erp: String,
    /// The customer's name in the agreements.
    pub name: String,
    /// The ERP's id of the record, or `new`.
    pub remote_id: String,
    /// Why.
    pub reason: String,
    /// Who has said it.
    pub actor: Actor,
    /// When, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub said_at: Timestamp,
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
            // Whatever it was called before: it is that record from now on.
            let sql = "DELETE FROM customer_name WHERE erp = $1 AND name = $2 RETURNING mac";
            tx.delete(&CUSTOMER_NAME, sql, values![erp, name])?;
            // An approval is of what was shown, and this is shown: their contracts are decided about anew.
            mark_contracts(tx, &name)?;
            let detail = format!("{name:?} is {remote_id} in {erp}: {why}");
            tx.delete(&CUSTOMER_CHOICE, FORGET_CHOICE, values![erp, name])?;
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

    /// Keeps what the first of two people has said about a customer, in the place of what was said about it before.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_choice(&self, choice: CustomerChoice, line: Entry) -> Verb<'_, ()> {
        self.write(move |tx| {
            let CustomerChoice { erp, name, remote_id, reason, actor, said_at } = &choice;
            tx.overwrite(&CUSTOMER_CHOICE, values![erp, name], || {
                tx.run(
                    "INSERT INTO customer_choice (erp, name, remote_id, reason, actor, said_at)
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (erp, name)
                     DO UPDATE SET remote_id = $3, reason = $4, actor = $5, said_at = $6",
                    values![erp, name, remote_id, reason, actor.name(), instant(*said_at)],
                )
            })?;
            audit::append(tx, *said_at, &[line])
        })
    }

    /// Takes back what the first of two people has said. `false`: nothing waits for a second one.
    ///
    /// # Errors
    /// The database failed.
    pub fn drop_choice(&self, erp: String, name: String, line: Entry, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let gone = tx.delete(&CUSTOMER_CHOICE, FORGET_CHOICE, values![erp, name])? > 0;
            if gone {
                audit::append(tx, now, &[line])?;
            }
            Ok(gone)
        })
    }

    /// What the first of two people has said about customers, by name and ERP; rows that are not attested say nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn customer_choices(&self) -> Verb<'_, Vec<CustomerChoice>> {
        self.read(|tx| {
            let mut all = Vec::new();
            tx.each(CUSTOMER_CHOICE.all, values![], |row| {
                if tx.examine(&CUSTOMER_CHOICE, row, 0)?.genuine {
                    all.push(CustomerChoice {
                        erp: row.get(1)?,
                        name: row.get(2)?,
                        remote_id: row.get(3)?,
                        reason: row.get(4)?,
                        actor: row.actor(5)?,
                        said_at: row.parsed(6, "customer_choice.said_at")?,
                    });
                }
                Ok(())
            })?;
            all.sort_by(|one: &CustomerChoice, other| (&one.name, &one.erp).cmp(&(&other.name, &other.erp)));
            Ok(all)
        })
    }

    /// Contracts that have, or have had, this customer.
    ///
    /// # Errors
    /// The database failed.
    pub fn contracts_with_customer(&self, name: String) -> Verb<'_, BTreeSet<String>> {
        self.read(move |tx| contracts_of(tx, &BTreeSet::from([name])))
    }

    /// Ids, or `new`, that people gave for customers of an ERP, by name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn chosen_customers(&self, erp: String) -> Result<BTreeMap<String, String>, StoreError> {
        let all = self.customer_records().await?;
        let of_it = all.into_iter().filter(|record| record.erp == erp);
        Ok(of_it.filter_map(|record| Some((record.name, record.remote_id?))).collect())
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
        let of_customers = deliveries.into_iter().filter_map(|delivery| match delivery.command {
            Some(Command::Customer { name, .. }) => Some(((delivery.target, name), delivery.remote_id?)),
            _ => None,
        });
        Ok(of_customers.collect())
    }
}

/// A customer's record as an ERP was just asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The customer's name in the agreements.
    pub name: String,
    /// The ERP's id.
    pub remote_id: String,
    /// Somebody said which record it is: it may be called otherwise than in the agreements.
    pub mapped: bool,
    /// Its name there; `None`: the ERP does not show it.
    pub now: Option<String>,
}

impl Store {
    /// Records of customers that were found or created in an ERP by their names: name and id. A delivery that is not attested says
    /// nothing.
    ///
    /// # Errors
    /// The database failed.
    pub fn customers_found_in(&self, erp: String) -> Verb<'_, BTreeMap<String, String>> {
        self.read(move |tx| {
            let mut found = BTreeMap::new();
            let sql = concat!(outbox_row!(), " WHERE target = $1 AND kind = 'customer' AND state = 'done'");
            tx.each(sql, values![erp], |row| {
                let key: String = row.get(1)?;
                if !tx.examine(&OUTBOX, row, 0)?.genuine {
                    return Ok(());
                }
                let command: Command = parse("outbox", "command", &key, &row.get::<String>(6)?)?;
                if let (Command::Customer { name, .. }, Some(receipt)) = (command, row.get::<Option<String>>(16)?) {
                    let receipt: Receipt = parse("outbox", "receipt", &key, &receipt)?;
                    found.insert(name, receipt.remote_id);
                }
                Ok(())
            })?;
            Ok(found)
        })
    }

    /// Keeps how an ERP calls the records of customers; the contracts of those that are called otherwise than they were when that
    /// was asked last are decided about anew. Returns how many these are.
    ///
    /// # Errors
    /// The database failed.
    pub fn customers_asked(&self, erp: String, asked: Vec<Asked>) -> Verb<'_, usize> {
        self.write(move |tx| {
            let mut changed = 0_usize;
            for Asked { name, remote_id, mapped, now } in &asked {
                let known = name_of(tx, &erp, name)?.filter(|known| known.remote_id == *remote_id);
                let first = now.as_ref().filter(|_| *mapped).unwrap_or(name);
                let before = known.as_ref().map_or(first, |known| &known.before).clone();
                if known.as_ref().is_some_and(|known| known.now == *now) {
                    continue;
                }
                tx.overwrite(&CUSTOMER_NAME, values![erp, name], || {
                    tx.run(
                        "INSERT INTO customer_name (erp, name, remote_id, called_before, called_now)
                         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (erp, name) DO UPDATE
                         SET remote_id = $3, called_before = $4, called_now = $5",
                        values![erp, name, remote_id, before, now],
                    )
                })?;
                if known.is_some() || now.as_ref() != Some(&before) {
                    mark_contracts(tx, name)?;
                    changed = changed.saturating_add(1);
                }
            }
            Ok(changed)
        })
    }
}

/// The contracts of a customer are decided about anew.
fn mark_contracts(tx: &Session<'_>, customer: &str) -> Result<(), StoreError> {
    let contracts = contracts_of(tx, &BTreeSet::from([customer.to_owned()]))?;
    contracts.iter().try_for_each(|contract| mark_legs(tx, contract))
}

/// How an ERP calls a customer's record; a row that is not attested says nothing.
fn name_of(tx: &Session<'_>, erp: &str, name: &str) -> Result<Option<Renamed>, StoreError> {
    let known = tx.one(CUSTOMER_NAME.one, values![erp, name], |row| named(tx, row))?;
    Ok(known.flatten())
}

fn named(tx: &Session<'_>, row: &Row<'_>) -> Result<Option<Renamed>, StoreError> {
    if !tx.examine(&CUSTOMER_NAME, row, 0)?.genuine {
        return Ok(None);
    }
    Ok(Some(Renamed { erp: row.get(1)?, remote_id: row.get(3)?, before: row.get(4)?, now: row.get(5)? }))
}

/// Records of a contract's customer that an ERP calls otherwise than before, or does not show any more.
pub(super) fn renamed_for(tx: &Session<'_>, id: &str, state: &str) -> Result<Vec<Renamed>, StoreError> {
    let state: State = parse("contract", "state", id, state)?;
    let sql = "SELECT CAST(0 AS BIGINT), erp, name, remote_id, called_before, called_now, mac FROM customer_name
               WHERE name = $1 AND (called_now IS NULL OR called_now <> called_before) ORDER BY erp";
    let all = tx.all(sql, values![state.terms.map(|terms| terms.customer)], |row| named(tx, row))?;
    Ok(all.into_iter().flatten().collect())
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
                let part: ErpPart = parse("leg_part", "part", &contract, &row.get::<String>(7)?)?;
                if let ErpPart::Invoice(InvoiceSeen { number, tax: Some(tax), .. }) = part {
                    taxes.insert(number, tax);
                }
                Ok(())
            })?;
            Ok(taxes)
        })
    }
}

/// Which record of an ERP the customer of a contract is now, as people have said, by connection. A row that is not attested says
/// nothing.
pub(super) fn chosen_for(tx: &Session<'_>, id: &str, state: &str) -> Result<BTreeMap<String, String>, StoreError> {
    // A change order may have brought another customer in.
    let state: State = parse("contract", "state", id, state)?;
    let sql = "SELECT CAST(0 AS BIGINT), erp, name, remote_id, alike, actor, decided_at, mac FROM customer_record
               WHERE name = $1";
    let mut chosen = BTreeMap::new();
    tx.each(sql, values![state.terms.map(|terms| terms.customer)], |row| {
        if let (true, Some(id)) = (tx.examine(&CUSTOMER_RECORD, row, 0)?.genuine, row.get(3)?) {
            chosen.insert(row.get(1)?, id);
        }
        Ok(())
    })?;
    Ok(chosen)
}

/// What is needed of a contract's state.
#[derive(Deserialize)]
struct State {
    terms: Option<Head>,
}

#[derive(Deserialize)]
struct Head {
    customer: String,
}

const FORGET_CHOICE: &str = "DELETE FROM customer_choice WHERE erp = $1 AND name = $2 RETURNING mac";

/// Contracts of customers, by their exact names: those that were filed for them, and those into which a change order has brought
/// them.
pub(super) fn contracts_of(tx: &Session<'_>, names: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let filed = tx.all(FILED_FOR, values![json(names)?], |row| row.get::<String>(0))?;
    let brought = brought(tx)?.into_iter().filter(|(_, customer)| names.contains(customer));
    Ok(filed.into_iter().chain(brought.map(|(contract, _)| contract)).collect())
}

/// Contracts that have had these customers and no others.
pub(super) fn contracts_of_none_but(
    tx: &Session<'_>,
    names: &BTreeSet<String>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut own: BTreeSet<String> = tx.all(FILED_FOR, values![json(names)?], |row| row.get(0))?.into_iter().collect();
    for (contract, _) in brought(tx)?.iter().filter(|(_, customer)| !names.contains(customer)) {
        own.remove(contract);
    }
    Ok(own)
}

/// What is summed up by customer beside a contract.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whose {
    /// The contract.
    pub contract: String,
    /// Customers whom a change order is about to bring into it.
    pub brought: Vec<String>,
}

/// Contracts that have or have had a customer of a contract, and the names of these customers, as JSON lists.
pub(super) struct Beside {
    pub(super) contracts: String,
    pub(super) names: String,
}

/// What counts together with a contract: a customer is the same by the same name, by one that looks like it, or by one that people
/// have said to be the same record of an ERP. Neither another spelling nor a change order is a way around what is summed up.
pub(super) fn beside(tx: &Session<'_>, whose: &Whose) -> Result<Beside, StoreError> {
    let brought = brought(tx)?;
    let mut own: BTreeSet<String> = whose.brought.iter().cloned().collect();
    own.extend(
        tx.all("SELECT customer FROM contract WHERE id = $1", values![whose.contract], |row| row.get::<String>(0))?,
    );
    own.extend(brought.iter().filter(|(id, _)| *id == whose.contract).map(|(_, customer)| customer.clone()));
    for name in own.clone() {
        let same = "SELECT other.name FROM customer_record AS one JOIN customer_record AS other ON other.erp = one.erp
                    AND other.remote_id = one.remote_id WHERE one.name = $1 AND one.remote_id <> $2";
        own.extend(tx.all(same, values![name, NEW], |row| row.get::<String>(0))?);
    }
    let looks: BTreeSet<String> = own.iter().map(|name| identifiers::looks(name)).collect();
    let filed = tx.all("SELECT DISTINCT customer FROM contract", values![], |row| row.get::<String>(0))?;
    let all = filed.into_iter().chain(brought.into_iter().map(|(_, customer)| customer)).chain(whose.brought.clone());
    let names = all.filter(|name| own.contains(name) || looks.contains(&identifiers::looks(name))).collect();
    Ok(Beside { contracts: json(&contracts_of(tx, &names)?)?, names: json(&names)? })
}

/// Contracts by the customers for whom they were filed; `$1` is a JSON list of names.
const FILED_FOR: Sql = Sql {
    postgres: concat!("SELECT id FROM contract WHERE ", among!(postgres, "customer", "$1")),
    sqlite: concat!("SELECT id FROM contract WHERE ", among!(sqlite, "customer", "$1")),
};

/// Change orders that have brought a customer in; `fact_customer` is an index of them alone.
macro_rules! brings_customer {
    () => {
        "f.position IS NOT NULL AND f.fact LIKE '%\"type\":\"amended\"%\"customer\":%'"
    };
}

/// Whether a pause `s` names the customer of a contract: the one for whom it was filed, or one whom a change order has brought in.
/// The two databases make a JSON text of a name by different functions.
macro_rules! names_customer {
    (postgres, $filed:literal, $contract:literal) => {
        $crate::customers::names_customer!(
            $filed,
            $contract,
            "strpos(f.fact, '\"customer\":' || CAST(to_json(s.name) AS TEXT))"
        )
    };
    (sqlite, $filed:literal, $contract:literal) => {
        $crate::customers::names_customer!($filed, $contract, "instr(f.fact, '\"customer\":' || json_quote(s.name))")
    };
    ($filed:literal, $contract:literal, $place:literal) => {
        concat!(
            "(s.name = ",
            $filed,
            " OR EXISTS (SELECT 1 FROM fact AS f WHERE f.contract = ",
            $contract,
            " AND ",
            $crate::customers::brings_customer!(),
            " AND ",
            $place,
            " > 0))"
        )
    };
}

pub(super) use {brings_customer, names_customer};

/// Every fact that has brought a customer in.
pub(super) const BROUGHT: &str = concat!("SELECT f.contract, f.fact FROM fact AS f WHERE ", brings_customer!());

/// Customers whom change orders have brought in, each with its contract.
fn brought(tx: &Session<'_>) -> Result<Vec<(String, String)>, StoreError> {
    let mut all = Vec::new();
    tx.each(BROUGHT, values![], |row| {
        // A row that somebody else has written may be no fact: it brings nobody, and `audit verify` names it.
        let fact = serde_json::from_str::<Fact>(&row.get::<String>(1)?);
        if let Ok(Fact { event: Event::Amended(Amendment { customer: Some(customer), .. }), .. }) = fact {
            all.push((row.get(0)?, customer));
        }
        Ok(())
    })?;
    Ok(all)
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
