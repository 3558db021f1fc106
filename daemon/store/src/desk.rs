//! Where the postings of decisions are written down: what somebody can send at once is claimed with that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::{After, Receipt};
use milestoned_mapping::command::{Command, DeliveryKey, Posting};

use super::outbox::{Claimed, Receipts, note_receipt};
use super::pauses::ANY_PAUSE;
use super::session::{Session, values};
use super::{StoreError, instant};

/// Senders that can take at once what is being decided.
#[derive(Debug, Clone)]
pub struct Senders {
    /// How many deliveries, by connection.
    pub room: BTreeMap<String, usize>,
    /// Until when what they take is leased.
    pub until: Timestamp,
}

/// How the postings of decisions are written down.
pub(super) struct Desk {
    /// The remote may know what is new to us.
    pub(super) doubts: bool,
    /// Who takes some of them at once.
    senders: Option<Senders>,
    /// What was taken: leased, and to be sent once the transaction is on the disk.
    pub(super) claimed: Vec<Claimed>,
    receipts: Receipts,
}

impl Desk {
    /// Postings are claimed while they are written down, where somebody can send them and nothing else comes first.
    pub(super) fn open(tx: &Session<'_>, senders: Option<Senders>, now: Timestamp) -> Result<Self, StoreError> {
        let doubts = looks_first(tx, now)?;
        // Where anything is halted, the claim sees what.
        let halted = tx.one(ANY_PAUSE, values![], |_| Ok(()))?.is_some();
        let senders = senders.filter(|_| !doubts && !halted);
        Ok(Self { doubts, senders, claimed: Vec::new(), receipts: Receipts::new() })
    }

    /// A posting as the attempt that begins with its being written down, and until when that is leased. `None`: it waits to
    /// be claimed.
    pub(super) fn claim(
        &mut self,
        tx: &Session<'_>,
        contract: &str,
        posting: &Posting,
        subject: &str,
    ) -> Result<Option<(Claimed, Timestamp)>, StoreError> {
        let Posting { key, target, command, after } = posting;
        if !matches!(command, Command::Invoice(_) | Command::CreditMemo(_) | Command::JournalEntry(_)) {
            return Ok(None);
        }
        let Some(senders) =
            self.senders.as_ref().filter(|senders| senders.room.get(target).is_some_and(|room| *room > 0))
        else {
            return Ok(None);
        };
        let until = senders.until;
        let open =
            "SELECT 1 FROM outbox WHERE target = $1 AND subject = $2 AND state IN ('pending', 'sending', 'unknown')";
        if tx.one(open, values![target, subject], |_| Ok(()))?.is_some() {
            return Ok(None);
        }
        let mut receipts = After::default();
        for earlier in after {
            match done(tx, earlier, &mut self.receipts)? {
                Some(receipt) => note_receipt(&mut receipts, receipt),
                None => return Ok(None),
            }
        }
        let claimed = Claimed {
            key: key.clone(),
            contract: contract.into(),
            target: target.clone(),
            command: command.clone(),
            attempts: 0,
            look_first: false,
            after: receipts,
        };
        Ok(Some((claimed, until)))
    }

    /// What was claimed is written down.
    pub(super) fn took(&mut self, claimed: Claimed) {
        let room = self.senders.as_mut().and_then(|senders| senders.room.get_mut(&claimed.target));
        if let Some(room) = room {
            *room = room.saturating_sub(1);
        }
        self.claimed.push(claimed);
    }
}

/// After a restore what is new to us may be known to the remote.
fn looks_first(tx: &Session<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM mark WHERE name = 'look first until' AND at > $1";
    Ok(tx.one(sql, values![instant(now)], |_| Ok(()))?.is_some())
}

/// Kind and receipt of a delivery that is done.
fn done(tx: &Session<'_>, key: &DeliveryKey, known: &mut Receipts) -> Result<Option<(String, Receipt)>, StoreError> {
    if let Some(receipt) = known.get(key) {
        return Ok(Some(receipt.clone()));
    }
    let sql = "SELECT kind, receipt FROM outbox WHERE key = $1 AND state = 'done'";
    let row = tx.one(sql, values![key.as_str()], |row| Ok((row.get::<String>(0)?, row.get::<Option<String>>(1)?)))?;
    // One that cannot be read is told by the claim.
    let receipt = row.and_then(|(kind, text)| Some((kind, serde_json::from_str::<Receipt>(&text?).ok()?)));
    if let Some(receipt) = &receipt {
        known.insert(key.clone(), receipt.clone());
    }
    Ok(receipt)
}
