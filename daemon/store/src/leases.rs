//! Leases of duties, and the fence around what their owners write.

use jiff::Timestamp;

use super::attest::Session;
use super::session::{Sql, values};
use super::{Store, StoreError, Verb, instant};

/// A lease as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Name of the duty.
    pub name: String,
    /// Who has it.
    pub owner: String,
    /// Grows whenever the duty changes hands.
    pub epoch: i64,
}

/// In PostgreSQL whoever takes the duty over waits until a transaction of the former owner has ended. SQLite has one
/// writer.
const FENCE: Sql = Sql {
    postgres: "SELECT epoch FROM lease WHERE name = $1 AND owner = $2 AND epoch = $3 FOR SHARE",
    sqlite: "SELECT epoch FROM lease WHERE name = $1 AND owner = $2 AND epoch = $3",
};

/// How many times as long as a lease lasts one may last at most: nothing attests them, and one without an end, or of a daemon
/// that is not there, would keep a duty from everybody.
const LONGEST: i32 = 4;

/// The latest instant until which a lease can have been taken, by daemons whose clocks differ a little.
fn latest(until: Timestamp, now: Timestamp) -> Timestamp {
    now.saturating_add(until.duration_since(now).saturating_mul(LONGEST)).unwrap_or(Timestamp::MAX)
}

impl Lease {
    /// Inside a transaction: the duty has not passed on.
    pub(super) fn holds(&self, tx: &Session<'_>) -> Result<(), StoreError> {
        let held = tx.one(FENCE, values![self.name, self.owner, self.epoch], |row| row.get::<i64>(0))?;
        held.map(drop).ok_or_else(|| StoreError::Fenced(self.name.clone()))
    }
}

/// The lease by which a daemon says that it is there: the others count it by its own name.
pub fn presence_of(daemon: &str) -> String {
    format!("daemon {daemon}")
}

impl Store {
    /// The store as the owner of a duty, and of those that it is fenced by already, uses it: every write is refused once
    /// one of them has passed on.
    #[must_use]
    pub fn fenced(&self, lease: Lease) -> Self {
        let mut store = self.clone();
        store.fence.push(std::sync::Arc::new(lease));
        store
    }

    /// Takes or keeps a duty until an instant. `None`: another has it.
    ///
    /// # Errors
    /// The database failed.
    pub fn take_lease(&self, name: String, owner: String, until: Timestamp, now: Timestamp) -> Verb<'_, Option<Lease>> {
        self.write(move |tx| {
            let epoch = tx.one(
                "INSERT INTO lease (name, owner, epoch, until) VALUES ($1, $2, 1, $3)
                 ON CONFLICT (name) DO UPDATE SET owner = $2, until = $3,
                 epoch = CASE WHEN lease.owner = $2 THEN lease.epoch WHEN lease.epoch < 4611686018427387904
                 THEN lease.epoch + 1 ELSE 1 END
                 WHERE lease.owner = $2 OR lease.until <= $4 OR lease.until > $5 RETURNING epoch",
                values![name, owner, instant(until), instant(now), instant(latest(until, now))],
                |row| row.get(0),
            )?;
            Ok(epoch.map(|epoch| Lease { name, owner, epoch }))
        })
    }

    /// Keeps everything that `owner` has. Returns what that is, and how many owners there are.
    ///
    /// # Errors
    /// The database failed.
    pub fn renew_leases(&self, owner: String, until: Timestamp, now: Timestamp) -> Verb<'_, (Vec<Lease>, usize)> {
        self.write(move |tx| {
            let held = tx.all(
                "UPDATE lease SET until = $2 WHERE owner = $1 RETURNING name, epoch",
                values![owner, instant(until)],
                |row| Ok(Lease { name: row.get(0)?, owner: owner.clone(), epoch: row.get(1)? }),
            )?;
            // A daemon's own name is of no use to anybody once it is gone.
            let (now, latest) = (instant(now), instant(latest(until, now)));
            let sql = "DELETE FROM lease WHERE (until <= $1 OR until > $3) AND name LIKE $2";
            tx.run(sql, values![now, presence_of("%"), latest])?;
            let sql = "SELECT count(DISTINCT owner) FROM lease WHERE until > $1 AND until <= $2";
            let owners = tx.one(sql, values![now, latest], |row| row.get::<i64>(0))?.unwrap_or(0);
            Ok((held, usize::try_from(owners).unwrap_or(1)))
        })
    }

    /// Gives a duty up, so that another need not wait. It has no owner then: who renews what he has does not get it back.
    ///
    /// # Errors
    /// The database failed: it lapses by itself.
    pub fn give_up_lease(&self, lease: Lease, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            tx.run(
                "UPDATE lease SET until = $3, owner = '' WHERE name = $1 AND owner = $2",
                values![lease.name, lease.owner, instant(now)],
            )
            .map(drop)
        })
    }

    /// Whether several daemons may share this database.
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, super::Backend::Postgres(_))
    }
}
