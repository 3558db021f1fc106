//! The one place that names every connector: settings to connection, and dispatch.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::Date;
use milestoned_connector_kit::customers::Customers;
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{
    Acknowledgement, AttachedFile, Census, Clock, Connector, Cursor, Delivery, Expiry, Fault, Found, Hook, Lane,
    LedgerLine, Needs, Page, Platform, Probe, Receipt, Refused, Sink, Source, WebhookRequest, Write,
};
use milestoned_jira::Jira;
use milestoned_mapping::command::Command;
use milestoned_mapping::fieldmap::FieldMap;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::record::SourceRecord;
use milestoned_netsuite::NetSuite;
use milestoned_quickbooks::QuickBooks;
use milestoned_redmine::Redmine;
use milestoned_salesforce::Salesforce;
use milestoned_tryton::Tryton;
use serde_json::Value;

use crate::failpoint;
use crate::settings::{Settings, SettingsError, repair};
use crate::store::Store;

/// A poll interval that nobody set.
const POLL_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// The connections that there are. A new connector is one more line of the list below; everything else follows from what
/// it says about itself.
macro_rules! connectors {
    ($($connector:ident),+) => {
        /// A connection to one remote.
        pub enum Connection {
            $(
                #[doc = concat!("A connection of kind `", stringify!($connector), "`.")]
                $connector($connector),
            )+
        }

        /// Kinds of connections, as the configuration names them.
        const KINDS: &[&str] = &[$($connector::KIND),+];

        /// Kinds of connections with most characters of a document's number.
        pub const NUMBER_LENGTHS: &[(&str, Option<usize>)] = &[$(($connector::KIND, $connector::NUMBER_LENGTH)),+];

        /// Calls a method on whichever connection it is.
        macro_rules! each {
            ($self:ident, $connection:ident => $call:expr) => {
                match $self {
                    $(Connection::$connector($connection) => $call,)+
                }
            };
        }

        /// A connection of the kind with this name.
        fn of_kind(kind: &str, making: Making<'_>) -> Result<Entry, Vec<Problem>> {
            $(
                if kind == $connector::KIND {
                    return making.entry(Connection::$connector);
                }
            )+
            Err(making.wrong("kind", format!("{kind:?} is none of {}", KINDS.join(", "))))
        }
    };
}

connectors!(Jira, NetSuite, QuickBooks, Redmine, Salesforce, Tryton);

/// A connection and how it is used.
pub struct Entry {
    /// The connection.
    pub connection: Connection,
    /// How often its streams are read.
    pub poll_every: SignedDuration,
    /// What its records' fields mean, where a field map says so.
    pub field_map: Option<FieldMap>,
    /// Which of its records are which customers.
    pub customers: Customers,
}

/// Every connection by name.
pub struct Registry(BTreeMap<String, Entry>);

impl Connection {
    /// Streams to pull.
    pub fn streams(&self) -> &'static [&'static str] {
        each!(self, connection => connection.streams())
    }

    /// The next page of a stream.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn pull(&self, stream: &str, from: &Cursor) -> Result<Page, Fault> {
        each!(self, connection => connection.pull(stream, from).await)
    }

    /// Records of one object, read afresh: one outcome for each id, in order.
    pub async fn read_each(&self, object: &str, ids: &[&str]) -> Vec<Result<Vec<SourceRecord>, Fault>> {
        each!(self, connection => connection.read_each(object, ids).await)
    }

    /// Ids that exist, where changes do not tell every deletion.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn census(&self, stream: &str, from: &Cursor) -> Result<Option<Census>, Fault> {
        each!(self, connection => connection.census(stream, from).await)
    }

    /// The vendor's own page of a record, for people.
    pub fn page_of(&self, object: &str, id: &str) -> Option<String> {
        each!(self, connection => connection.page_of(object, id)).filter(|page| page.starts_with("http"))
    }

    /// What people call a record, where that is not its id.
    pub fn name_in(&self, raw: &str) -> Option<String> {
        each!(self, connection => connection.name_in(raw))
    }

    /// Whether files on its records are brought to the agreements that people read.
    pub fn brings_documents(&self) -> bool {
        each!(self, connection => connection.brings_documents())
    }

    /// Files of a record that may be signed agreements.
    pub fn attached(&self, raw: &str) -> Vec<AttachedFile> {
        each!(self, connection => connection.attached(raw))
    }

    /// The bytes of a file of a record.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn fetch(&self, file: &AttachedFile) -> Result<Vec<u8>, Fault> {
        each!(self, connection => connection.fetch(file).await)
    }

    /// Most characters of a document's number.
    pub fn number_length(&self) -> Option<usize> {
        each!(self, connection => connection.number_length())
    }

    /// What it takes exception to in a customer's name.
    pub fn customer_problem(&self, name: &str) -> Option<String> {
        each!(self, connection => connection.customer_problem(name))
    }

    /// Name of the customer's record with this id; `None`: there is none.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn customer_at(&self, id: &str) -> Result<Option<String>, Fault> {
        each!(self, connection => connection.customer_at(id).await)
    }

    /// Names of the customers' records with these ids; `None`: there are no such records.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn customers_at(&self, ids: &[String]) -> Result<Option<BTreeMap<String, String>>, Fault> {
        each!(self, connection => connection.customers_at(ids).await)
    }

    /// Whether billing status is shown there.
    pub fn shows_status(&self) -> bool {
        each!(self, connection => connection.shows_status())
    }

    /// Whether its streams show journal entries that were written.
    pub fn shows_entries(&self) -> bool {
        each!(self, connection => connection.shows_entries())
    }

    /// The lane of a command.
    pub fn lane(&self, command: &Command) -> Lane {
        each!(self, connection => connection.lane(command))
    }

    /// How long a write without an answer may still be carried out beside a second one.
    pub fn commits_within(&self) -> SignedDuration {
        each!(self, connection => connection.commits_within())
    }

    /// What earlier attempts may have written.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        each!(self, connection => connection.find(writes).await)
    }

    /// Writes, all of one lane.
    pub async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        each!(self, connection => connection.put(writes).await)
    }

    /// What of its credentials ends some day, and when.
    pub async fn expiries(&self) -> Vec<Expiry> {
        each!(self, connection => connection.expiries().await)
    }

    /// What is wrong with the connection.
    pub async fn probe(&self) -> Vec<Problem> {
        each!(self, connection => connection.probe().await)
    }

    /// Verifies a webhook.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, request: &WebhookRequest<'_>) -> Result<Vec<Delivery>, Refused> {
        each!(self, connection => connection.verify(request))
    }

    /// The answer to a webhook that was stored.
    pub fn acknowledgement(&self) -> Acknowledgement {
        each!(self, connection => connection.acknowledgement())
    }

    /// An ERP: it takes invoices.
    pub fn takes_documents(&self) -> bool {
        each!(self, connection => connection.takes_documents())
    }

    /// The last date of the accounting periods that are closed there.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn closed_through(&self) -> Result<Option<Date>, Fault> {
        each!(self, connection => connection.closed_through().await)
    }

    /// Every posting through a date to the accounts that we write to; `None`: its ledger is not read.
    ///
    /// # Errors
    /// The remote's fault.
    pub async fn ledger(&self, from: Date, through: Date) -> Result<Option<Vec<LedgerLine>>, Fault> {
        each!(self, connection => connection.ledger(from, through).await)
    }

    /// An ERP that gets the order of a contract, too.
    pub fn writes_orders(&self) -> bool {
        each!(self, connection => connection.writes_orders())
    }

    /// An ERP that is asked to mail each invoice to the customer.
    pub fn emails_invoices(&self) -> bool {
        each!(self, connection => connection.emails_invoices())
    }

    /// An ERP that keeps the record of an acceptance beside its invoice.
    pub fn keeps_acceptances(&self) -> bool {
        each!(self, connection => connection.keeps_acceptances())
    }

    /// A project tool: its silence may be an acceptance.
    pub fn tells_acceptance(&self) -> bool {
        each!(self, connection => connection.tells_acceptance())
    }
}

impl Registry {
    /// Builds every connection of the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with the settings of any of them.
    pub fn build(settings: &Settings, store: &Store, platform: &Platform) -> Result<Self, SettingsError> {
        let (mut entries, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, value) in &settings.connections {
            let tokens = Arc::new(Tokens { store: store.clone(), clock: Arc::clone(&platform.clock) });
            match build(name, value.clone(), Some(tokens), platform.clone()) {
                Ok(entry) => drop(entries.insert(name.clone(), entry)),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(Self(entries)) } else { Err(SettingsError(problems)) }
    }

    /// What is wrong with the settings of a connection, without calling it.
    pub fn problems(name: &str, settings: &Value) -> Vec<Problem> {
        let platform = Platform::from(Arc::new(crate::clock::SystemClock));
        build(name, settings.clone(), None, platform).err().unwrap_or_default()
    }

    /// A connection of the configuration by itself, to ask what it takes: it is called by nobody.
    pub fn by_itself(name: &str, settings: &Value) -> Option<Connection> {
        let platform = Platform::from(Arc::new(crate::clock::SystemClock));
        build(name, settings.clone(), None, platform).ok().map(|entry| entry.connection)
    }

    /// The connection with this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// Connections by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names of connections.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// A connection's settings on their way to a connection.
struct Making<'a> {
    name: &'a str,
    settings: Value,
    poll_every: SignedDuration,
    /// File of the field map.
    map_file: Option<String>,
    platform: Platform,
    tokens: Arc<dyn TokenStore>,
}

impl Making<'_> {
    fn wrong(&self, field: &str, reason: String) -> Vec<Problem> {
        wrong(self.name, field, reason)
    }

    fn entry<C: Connector>(self, variant: impl FnOnce(C) -> Connection) -> Result<Entry, Vec<Problem>> {
        let Self { name, settings, poll_every, map_file, platform, tokens } = self;
        let field_map = match C::MAPPED {
            [] => None,
            _ => Some(field_map::<C>(map_file.as_deref()).map_err(|reason| wrong(name, "field_map", reason))?),
        };
        let settings = match repair::read(settings, &Value::Null) {
            (Some(read), found) if found.is_empty() => read,
            (_, found) => {
                return Err(found.into_iter().flat_map(|(path, reason)| wrong(name, &path, reason)).collect());
            }
        };
        let customers = Customers::default();
        let needs = Needs { field_map: field_map.clone(), platform, tokens, customers: customers.clone() };
        let connection = C::create(name, settings, needs).map_err(|reason| wrong(name, "", reason))?;
        Ok(Entry { connection: variant(connection), poll_every, field_map, customers })
    }
}

fn wrong(name: &str, field: &str, reason: String) -> Vec<Problem> {
    let place = format!("connections.{name}");
    let place = if field.is_empty() { place } else { format!("{place}.{field}") };
    vec![Problem::new(place, reason, "see config/example.toml")]
}

fn build(name: &str, mut value: Value, tokens: Option<Arc<Tokens>>, platform: Platform) -> Result<Entry, Vec<Problem>> {
    let mut take = |key: &str| value.as_object_mut().and_then(|table| table.remove(key));
    let kind = take("kind");
    let poll_every = match take("poll_every") {
        None => POLL_EVERY,
        Some(text) => serde_json::from_value(text).map_err(|error| wrong(name, "poll_every", error.to_string()))?,
    };
    let map_file = take("field_map").and_then(|file| file.as_str().map(str::to_owned));
    let kind = kind
        .as_ref()
        .and_then(Value::as_str)
        .ok_or_else(|| wrong(name, "kind", format!("is missing: one of {}", KINDS.join(", "))))?;
    of_kind(kind, Making { name, settings: value, poll_every, map_file, platform, tokens: store_of(tokens) })
}

fn store_of(tokens: Option<Arc<Tokens>>) -> Arc<dyn TokenStore> {
    match tokens {
        Some(tokens) => tokens,
        None => Arc::new(NoTokens),
    }
}

fn field_map<C: Connector>(file: Option<&str>) -> Result<FieldMap, String> {
    let text = match file {
        None => C::FIELD_MAP.to_owned(),
        Some(file) => std::fs::read_to_string(Path::new(file)).map_err(|error| format!("{file}: {error}"))?,
    };
    let map = FieldMap::from_toml(&text, C::SHAPE).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    if !C::MAPPED.contains(&map.kind) {
        return Err(format!("record: this connection needs a map of {:?}", C::MAPPED).to_lowercase());
    }
    Ok(map)
}

/// Rotated tokens in the store.
struct Tokens {
    store: Store,
    clock: Arc<dyn Clock>,
}

type Loaded<'a> = Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>>;
type Saved<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

impl TokenStore for Tokens {
    fn load(&self, connection: &str, name: &str) -> Loaded<'_> {
        let (connection, name) = (connection.to_owned(), name.to_owned());
        Box::pin(async move { self.store.token(connection, name).await.map_err(|error| error.to_string()) })
    }

    fn save(&self, connection: &str, name: &str, value: &str) -> Saved<'_> {
        let (connection, name, value) = (connection.to_owned(), name.to_owned(), value.to_owned());
        let now = self.clock.now();
        Box::pin(async move {
            self.store.store_token(connection, name, value, now).await.map_err(|error| error.to_string())
        })
    }

    fn replace(&self, connection: &str, name: &str, was: Option<&str>, value: &str) -> Saved<'_> {
        let (connection, name, value) = (connection.to_owned(), name.to_owned(), value.to_owned());
        let (was, now) = (was.map(str::to_owned), self.clock.now());
        Box::pin(async move {
            failpoint::pass("token_rotated");
            let replaced = self.store.replace_token((connection, name), was, value, now).await;
            failpoint::pass("token_stored");
            replaced.map(drop).map_err(|error| error.to_string())
        })
    }
}

/// For checking settings only: nothing is kept, and nothing is used.
struct NoTokens;

impl TokenStore for NoTokens {
    fn load(&self, _: &str, _: &str) -> Loaded<'_> {
        Box::pin(async { Ok(None) })
    }

    fn save(&self, _: &str, _: &str, _: &str) -> Saved<'_> {
        Box::pin(async { Err("tokens are not kept while settings are checked".into()) })
    }

    fn replace(&self, connection: &str, name: &str, _: Option<&str>, value: &str) -> Saved<'_> {
        self.save(connection, name, value)
    }
}
