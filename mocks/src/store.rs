//! What a simulator remembers: collections of JSON by id, in memory, written through to one SQLite file.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{Bound, RangeInclusive};
use std::path::Path;

use rusqlite::{Connection, params};

use crate::json::Json;

/// An id that sorts by length first, so that `9` comes before `10` and Salesforce ids sort as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) String);

impl Ord for Id {
    fn cmp(&self, other: &Id) -> std::cmp::Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}
impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Ids of a collection in the order of a number that each record has, a time for example.
struct Order {
    of: fn(&Json) -> i64,
    ids: BTreeSet<(i64, Id)>,
}

/// Collections of records with an undo log: a call either commits all it changed or nothing.
pub(crate) struct Store {
    file: Option<Connection>,
    data: BTreeMap<String, BTreeMap<Id, Json>>,
    orders: BTreeMap<String, Order>,
    undo: Vec<(String, String, Option<Json>)>,
    /// Keys committed since the last [`Store::changes`], where somebody keeps derived tables.
    changed: Option<BTreeSet<(String, String)>>,
}

fn broken(error: rusqlite::Error) -> io::Error {
    io::Error::other(error)
}

impl Store {
    /// Opens `DIR/<name>.db`, or memory without a folder.
    pub(crate) fn open(dir: Option<&Path>, name: &str) -> io::Result<Store> {
        let mut store =
            Store { file: None, data: BTreeMap::new(), orders: BTreeMap::new(), undo: Vec::new(), changed: None };
        let Some(dir) = dir else { return Ok(store) };
        std::fs::create_dir_all(dir)?;
        let file = Connection::open(dir.join(format!("{name}.db"))).map_err(broken)?;
        file.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
             CREATE TABLE IF NOT EXISTS kept (collection TEXT, id TEXT, json TEXT, PRIMARY KEY (collection, id));",
        )
        .map_err(broken)?;
        {
            let mut all = file.prepare("SELECT collection, id, json FROM kept").map_err(broken)?;
            let rows = all
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
                .map_err(broken)?;
            for row in rows {
                let (collection, id, text) = row.map_err(broken)?;
                store.data.entry(collection).or_default().insert(Id(id), Json::parse(&text)?);
            }
        }
        store.file = Some(file);
        Ok(store)
    }

    pub(crate) fn get(&self, collection: &str, id: &str) -> Option<&Json> {
        self.data.get(collection)?.get(&Id(id.to_string()))
    }

    pub(crate) fn all<'a>(
        &'a self,
        collection: &str,
    ) -> impl DoubleEndedIterator<Item = (&'a str, &'a Json)> + use<'a> {
        self.data.get(collection).into_iter().flatten().map(|(id, json)| (id.0.as_str(), json))
    }

    pub(crate) fn count(&self, collection: &str) -> usize {
        self.data.get(collection).map_or(0, BTreeMap::len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.data.values().all(BTreeMap::is_empty)
    }

    /// Keeps the records of a collection in the order of this number, ties by id, from now on.
    pub(crate) fn keep_order(&mut self, collection: &str, of: fn(&Json) -> i64) {
        let ids = self.data.get(collection).into_iter().flatten().map(|(id, json)| (of(json), id.clone())).collect();
        self.orders.insert(collection.to_string(), Order { of, ids });
    }

    /// Ids whose number is in the range, in order; of a collection whose order is kept.
    pub(crate) fn ordered<'a>(
        &'a self,
        collection: &str,
        range: RangeInclusive<i64>,
    ) -> impl DoubleEndedIterator<Item = (i64, &'a str)> + use<'a> {
        let least = |at: i64| (at, Id(String::new()));
        let low = Bound::Included(least(*range.start()));
        let high = range.end().checked_add(1).map_or(Bound::Unbounded, |end| Bound::Excluded(least(end)));
        let order = self.orders.get(collection).filter(|_| !range.is_empty());
        order
            .into_iter()
            .flat_map(move |order| order.ids.range((low.clone(), high.clone())))
            .map(|(at, id)| (*at, id.0.as_str()))
    }

    fn write(&mut self, collection: &str, id: &str, new: Option<Json>) -> Option<Json> {
        if let (Some(order), Some(json)) = (self.orders.get_mut(collection), &new) {
            order.ids.insert(((order.of)(json), Id(id.to_string())));
        }
        let after = self.orders.get(collection).and_then(|order| new.as_ref().map(order.of));
        if !self.data.contains_key(collection) {
            self.data.insert(collection.to_string(), BTreeMap::new());
        }
        let records = self.data.get_mut(collection)?;
        let old = match new {
            Some(json) => records.insert(Id(id.to_string()), json),
            None => records.remove(&Id(id.to_string())),
        };
        if let (Some(order), Some(old)) = (self.orders.get_mut(collection), &old) {
            let before = (order.of)(old);
            if after != Some(before) {
                order.ids.remove(&(before, Id(id.to_string())));
            }
        }
        old
    }

    pub(crate) fn put(&mut self, collection: &str, id: &str, json: impl Into<Json>) {
        let old = self.write(collection, id, Some(json.into()));
        self.undo.push((collection.to_string(), id.to_string(), old));
    }

    pub(crate) fn remove(&mut self, collection: &str, id: &str) -> Option<Json> {
        let old = self.write(collection, id, None)?;
        self.undo.push((collection.to_string(), id.to_string(), Some(old.clone())));
        Some(old)
    }

    /// The next number of a counter that survives restarts; the first one is `first`.
    pub(crate) fn next(&mut self, counter: &str, first: i64) -> i64 {
        let next = self.get("counter", counter).map_or(first, |last| last.int("n") + 1);
        self.put("counter", counter, crate::json::obj! {"n" => next});
        next
    }

    /// Removes what has run out: records whose `until` has passed.
    pub(crate) fn purge(&mut self, collection: &str, now: i64) {
        let over: Vec<String> =
            self.all(collection).filter(|(_, kept)| kept.int("until") <= now).map(|(id, _)| id.to_string()).collect();
        for id in over {
            self.remove(collection, &id);
        }
    }

    /// What the act `act` gave when it was applied, if it was.
    pub(crate) fn applied(&self, act: &str) -> Option<String> {
        self.get("acts", act).map(|done| done.text("gave"))
    }

    /// Notes an act as applied, in the same commit as its effect.
    pub(crate) fn apply(&mut self, act: &str, gave: &str) {
        self.put("acts", act, crate::json::obj! {"gave" => gave});
    }

    /// A point to which [`Store::rollback`] can return.
    pub(crate) fn mark(&self) -> usize {
        self.undo.len()
    }

    pub(crate) fn rollback(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let Some((collection, id, old)) = self.undo.pop() else { return };
            self.write(&collection, &id, old);
        }
    }

    /// Writes through what changed since the last commit, in one transaction.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        let mut touched: BTreeSet<(String, String)> = BTreeSet::new();
        for (collection, id, _) in self.undo.drain(..) {
            touched.insert((collection, id));
        }
        if touched.is_empty() {
            return Ok(());
        }
        if let Some(file) = self.file.as_mut() {
            let all = file.transaction().map_err(broken)?;
            for (collection, id) in &touched {
                let now = self.data.get(collection).and_then(|records| records.get(&Id(id.clone())));
                match now {
                    Some(json) => all
                        .prepare_cached("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)")
                        .and_then(|mut put| put.execute(params![collection, id, json.to_string()])),
                    None => all
                        .prepare_cached("DELETE FROM kept WHERE collection = ? AND id = ?")
                        .and_then(|mut cut| cut.execute(params![collection, id])),
                }
                .map_err(broken)?;
            }
            all.commit().map_err(broken)?;
        }
        if let Some(changed) = &mut self.changed {
            changed.append(&mut touched);
        }
        Ok(())
    }

    /// Keys committed since the last call; at the first one, all there are.
    pub(crate) fn changes(&mut self) -> BTreeSet<(String, String)> {
        let all = |(name, records): (&String, &BTreeMap<Id, Json>)| {
            records.keys().map(|id| (name.clone(), id.0.clone())).collect::<Vec<_>>()
        };
        match self.changed.replace(BTreeSet::new()) {
            Some(changed) => changed,
            None => self.data.iter().flat_map(all).collect(),
        }
    }
}
