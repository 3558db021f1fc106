//! What every connector is made of. A connector says what it can do: [`Source`], [`Sink`], [`Hook`], [`Probe`].
//! It knows neither the store, nor other connectors, nor when a failed delivery is tried again.

pub mod body;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod customers;
pub mod extra;
pub mod http;
pub mod names;
pub mod note;
pub mod pace;
pub mod read;
pub mod scrub;
pub mod signature;
pub mod tax;
pub mod token;
pub mod walk;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::command::{Account, Command, DeliveryKey};
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::fieldmap::{FieldMap, RecordKind, Shape};
use milestoned_mapping::problem::Problem;
use milestoned_mapping::record::{Content, Particulars, SourceRecord};
use milestoned_mapping::statement::Statement;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use customers::{Customers, Known};
use token::TokenStore;

/// Digest of what a record says: a part of its version, where the vendor's stamps and tokens do not tell every change.
pub fn digest(raw: &str, content: &Content) -> String {
    DeliveryKey::of(&[raw, &format!("{content:?}")]).to_string()
}

/// Where the time comes from. The daemon owns the only one that reads the machine's clock.
pub trait Clock: Send + Sync + 'static {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// Carries requests in place of sockets: a simulation runs daemon and remotes in one thread.
pub trait Transport: Send + Sync + 'static {
    /// The answer to a request.
    fn carry(&self, request: ::http::Request<bytes::Bytes>) -> Carried<'_>;

    /// Lets a connector wait; how long that is by the simulated clock is the transport's affair.
    fn wait(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// An answer under way.
pub type Carried<'a> = Pin<Box<dyn Future<Output = Result<::http::Response<bytes::Bytes>, Cut>> + Send + 'a>>;

/// Why a transport brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The request never left.
    #[error("not connected")]
    NotSent,
    /// The request left, and no answer came.
    #[error("connection closed before the answer was complete")]
    NoAnswer,
}

/// What a connection runs on: the clock, and the transport where there is no network.
#[derive(Clone)]
pub struct Platform {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Carries requests; `None`: the network does.
    pub transport: Option<Arc<dyn Transport>>,
}

impl Platform {
    pub(crate) async fn sleep(&self, time: Duration) {
        match &self.transport {
            Some(transport) => transport.wait(time).await,
            None => tokio::time::sleep(time).await,
        }
    }
}

impl<C: Clock> From<Arc<C>> for Platform {
    fn from(clock: Arc<C>) -> Self {
        Self { clock, transport: None }
    }
}

/// A kind of connection: what it is called, what it needs, and how it is made. The registry's list of connectors is all
/// that the daemon knows of them.
pub trait Connector: Source + Sink + Hook + Probe + Sized {
    /// What an operator sets.
    type Settings: DeserializeOwned;

    /// Its name, under `kind` in the configuration.
    const KIND: &'static str;
    /// Kinds of records whose fields a field map explains; none where the connector knows what its fields mean.
    const MAPPED: &'static [RecordKind] = &[];
    /// How its records are written, where a field map explains them.
    const SHAPE: Shape = Shape::PLAIN;
    /// Most characters of a document's number, however a connection of the kind is set up; `None`: nobody will reach the limit.
    const NUMBER_LENGTH: Option<usize> = None;
    /// The field map that holds where the configuration names no other.
    const FIELD_MAP: &'static str = "";

    /// A connection under this name.
    ///
    /// # Errors
    /// What is wrong with settings or field map.
    fn create(name: &str, settings: Self::Settings, needs: Needs) -> Result<Self, String>;
}

/// What a connection is made with beside its settings.
pub struct Needs {
    /// What its records' fields mean, where it is [`Connector::MAPPED`].
    pub field_map: Option<FieldMap>,
    /// What it runs on.
    pub platform: Platform,
    /// Where rotated tokens are kept.
    pub tokens: Arc<dyn TokenStore>,
    /// Which of its records are which customers.
    pub customers: Customers,
}

impl Needs {
    /// The field map.
    ///
    /// # Errors
    /// There is none.
    pub fn map(&self) -> Result<&FieldMap, String> {
        self.field_map.as_ref().ok_or_else(|| "field_map: is missing".into())
    }
}

/// Reads records out of a remote system.
pub trait Source: Send + Sync {
    /// Whether its records tell acceptances: its silence may be one.
    fn tells_acceptance(&self) -> bool {
        false
    }

    /// Names of the streams to pull, each with its own cursor.
    fn streams(&self) -> &'static [&'static str];

    /// The next page of a stream after `from`. Pages overlap; the caller drops versions that it has.
    fn pull(&self, stream: &str, from: &Cursor) -> impl Future<Output = Result<Page, Fault>> + Send;

    /// Reads one record afresh; `Content::Gone` where it does not exist or is not visible.
    fn read(&self, object: &str, id: &str) -> impl Future<Output = Result<Vec<SourceRecord>, Fault>> + Send;

    /// Reads records of one object afresh: one outcome for each id, in order. A source that can ask for many at once does.
    fn read_each(
        &self,
        object: &str,
        ids: &[&str],
    ) -> impl Future<Output = Vec<Result<Vec<SourceRecord>, Fault>>> + Send {
        async move {
            let mut outcomes = Vec::with_capacity(ids.len());
            for id in ids {
                outcomes.push(self.read(object, id).await);
            }
            outcomes
        }
    }

    /// Ids that exist now, page by page, for streams whose changes do not tell every deletion; `None`: they do. What is
    /// known and not among them is read afresh.
    fn census(&self, stream: &str, from: &Cursor) -> impl Future<Output = Result<Option<Census>, Fault>> + Send {
        let _ = (stream, from);
        async { Ok(None) }
    }

    /// The vendor's own page of a record, for people; `None`: there is none that its id leads to.
    fn page_of(&self, object: &str, id: &str) -> Option<String> {
        let _ = (object, id);
        None
    }

    /// What people call a record, where that is not its id: the key of an issue. Taken from what the vendor sent of it.
    fn name_in(&self, raw: &str) -> Option<String> {
        let _ = raw;
        None
    }

    /// Whether files that hang on its records are brought to the agreements that people read.
    fn brings_documents(&self) -> bool {
        false
    }

    /// Files of a record that may be signed agreements, by what the vendor sent of it.
    fn attached(&self, raw: &str) -> Vec<AttachedFile> {
        let _ = raw;
        Vec::new()
    }

    /// The bytes of a file that [`Self::attached`] has named.
    fn fetch(&self, file: &AttachedFile) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send {
        let detail = format!("{}: this kind of connection fetches no files", file.id);
        async move { Err(Fault { system: String::new(), class: Class::Refused, detail, code: None, request_id: None }) }
    }
}

/// A file that hangs on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// The vendor's id of its content: another content has another id.
    pub id: String,
    /// Its name, with its ending.
    pub name: String,
}

/// Writes to a remote system. Writes of one lane share a call where the vendor takes several at once.
pub trait Sink: Send + Sync {
    /// Whether it is an ERP: it takes invoices, credit memos and journal entries.
    fn takes_documents(&self) -> bool {
        false
    }

    /// Whether it takes the order of a contract, too.
    fn writes_orders(&self) -> bool {
        false
    }

    /// Most characters of a document's number, as this connection is set up; `None`: nobody will reach the limit.
    fn number_length(&self) -> Option<usize> {
        None
    }

    /// Whether it is asked to mail each invoice to the customer, by a write of its own.
    fn emails_invoices(&self) -> bool {
        false
    }

    /// Whether it keeps the record of an acceptance beside its invoice, by a write of its own.
    fn keeps_acceptances(&self) -> bool {
        false
    }

    /// Name of the customer's record with this id; `None`: there is none, or records of customers have no ids here.
    fn customer_at(&self, id: &str) -> impl Future<Output = Result<Option<String>, Fault>> + Send {
        let _ = id;
        async { Ok(None) }
    }

    /// Names of the customers' records with these ids, as the remote calls them; one that is not there, or not active any more, is
    /// left out. `None`: records of customers have no ids here.
    fn customers_at(
        &self,
        ids: &[String],
    ) -> impl Future<Output = Result<Option<BTreeMap<String, String>>, Fault>> + Send {
        let _ = ids;
        async { Ok(None) }
    }

    /// What it takes exception to in a customer's name.
    fn customer_problem(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }

    /// The last date of the accounting periods that are closed there; `None`: none is, or the remote does not tell.
    fn closed_through(&self) -> impl Future<Output = Result<Option<Date>, Fault>> + Send {
        async { Ok(None) }
    }

    /// Every posting through a date to the accounts that we write to, whoever wrote it, as the remote's ledger shows it; `from` is
    /// the date of our first one. `None`: the remote's ledger is not read.
    fn ledger(&self, from: Date, through: Date) -> impl Future<Output = Result<Option<Vec<LedgerLine>>, Fault>> + Send {
        let _ = (from, through);
        async { Ok(None) }
    }

    /// Whether billing status is shown here.
    fn shows_status(&self) -> bool {
        false
    }

    /// Whether the streams show journal entries that were written.
    fn shows_entries(&self) -> bool {
        true
    }

    /// The lane in which a command travels.
    fn lane(&self, command: &Command) -> Lane;

    /// How long after it was sent a write without an answer may still be carried out, and a second one with the same key
    /// would be carried out, too: a look-up that finds nothing proves nothing before. Zero where the remote refuses the
    /// second by its key, however late.
    fn commits_within(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Looks for what earlier attempts with these keys may have written: one answer for each write, in order. All are
    /// of one lane.
    fn find(&self, writes: &[Write<'_>]) -> impl Future<Output = Result<Vec<Option<Found>>, Fault>> + Send;

    /// Writes: one outcome for each, in order. All are of one lane. A write is put at most once before its outcome is
    /// known or looked up.
    fn put(&self, writes: &[Write<'_>]) -> impl Future<Output = Vec<Result<Receipt, Fault>>> + Send;
}

/// One write of a batch, and what it needs.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Idempotency key.
    pub key: &'a DeliveryKey,
    /// What is to be written.
    pub command: &'a Command,
    /// What earlier deliveries returned.
    pub after: &'a After,
}

impl Write<'_> {
    /// The remote's id of the customer: the one that somebody named, which stands over what was found or created first.
    ///
    /// # Errors
    /// A refusal where it is not known: nothing is written for nobody.
    pub fn customer_id(&self, customers: &Customers, system: &str) -> Result<String, Fault> {
        match self.command.customer().and_then(|name| customers.id(name)) {
            Some(id) => Ok(id),
            None => self.after.customer_id(system).map(Into::into),
        }
    }
}

/// A posting to an account that we write to, as the remote's own ledger shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    /// Account.
    pub account: Account,
    /// Its date.
    pub on: Date,
    /// ISO 4217 code of the amount.
    pub currency: String,
    /// Debits positive.
    pub amount: DecimalText,
    /// What the remote calls it: `Invoice`, `Journal`.
    pub kind: String,
    /// The remote's id of the transaction; empty where a line is of none, such as a balance that was carried forward.
    pub id: String,
    /// The number that people see.
    pub number: String,
}

/// Writes that may share a call to the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Its name; writes of different lanes never share a call.
    pub name: &'static str,
    /// Most writes of one call, at least 1.
    pub most: usize,
}

/// Verifies a webhook and says what to look at again. Pure.
pub trait Hook: Send + Sync {
    /// Checks that it comes from the remote, over the raw body, and names the records that may have changed.
    ///
    /// # Errors
    /// [`Refused`] for a missing or wrong signature and for a body that cannot be read; for every body where the remote
    /// sends no webhooks.
    fn verify(&self, request: &WebhookRequest<'_>) -> Result<Vec<Delivery>, Refused> {
        let _ = request;
        Err(Refused::Unexpected)
    }

    /// What the remote wants to hear when its deliveries are stored.
    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement::default()
    }
}

/// A webhook as it came.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// Last part of the address, behind the connection's name, where there is one.
    pub secret: Option<&'a str>,
    /// Headers.
    pub headers: &'a ::http::HeaderMap,
    /// Raw body.
    pub body: &'a [u8],
}

impl<'a> WebhookRequest<'a> {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The answer to a webhook that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Media type.
    pub content_type: &'static str,
    /// Body.
    pub body: &'static str,
}

impl Default for Acknowledgement {
    fn default() -> Self {
        Self { content_type: "text/plain", body: "" }
    }
}

/// Checks that a connection can do its work.
pub trait Probe: Send + Sync {
    /// Credentials, reachability, rights and configured fields; every problem at once.
    fn probe(&self) -> impl Future<Output = Vec<Problem>> + Send;

    /// What of its credentials ends some day, and when; as far as the vendor or the operator has told.
    fn expiries(&self) -> impl Future<Output = Vec<Expiry>> + Send {
        async { Vec::new() }
    }
}

/// A credential that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Which.
    pub what: &'static str,
    /// When.
    pub at: Timestamp,
    /// What to do before.
    pub remedy: &'static str,
}

/// Opaque position in a stream; empty at the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub BTreeMap<String, String>);

/// One page of a stream.
#[derive(Debug, Clone)]
pub struct Page {
    /// Records, oldest change first.
    pub records: Vec<SourceRecord>,
    /// Records that the connector could not read, with the reason; they are parked.
    pub unreadable: Vec<Unreadable>,
    /// Cursor to store together with the records.
    pub next: Cursor,
    /// Whether more is waiting right now.
    pub more: bool,
    /// The source was read completely up to this instant (meaningful when `more` is false).
    pub fresh_through: Timestamp,
}

/// One page of a census.
#[derive(Debug, Clone)]
pub struct Census {
    /// The vendor's object type, as in [`SourceRecord::object`].
    pub object: String,
    /// Ids that exist, as in [`SourceRecord::id`].
    pub ids: Vec<String>,
    /// Where the next page begins.
    pub next: Cursor,
    /// Whether there is a next page.
    pub more: bool,
}

/// A record that came and could not be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id, as far as it could be told.
    pub id: String,
    /// The record as it came.
    pub raw: String,
    /// Field and reason.
    pub reason: String,
}

/// What earlier deliveries returned and this one needs.
#[derive(Debug, Clone, Default)]
pub struct After {
    /// Of the customer's record.
    pub customer: Option<Receipt>,
    /// Of the document that this one corrects.
    pub original: Option<Receipt>,
    /// Of the contract's order.
    pub order: Option<Receipt>,
    /// What the CRM knows of the customer.
    pub particulars: Particulars,
}

impl After {
    /// The remote's id of the customer.
    ///
    /// # Errors
    /// A refusal where it is not known: nothing is written for nobody.
    pub fn customer_id(&self, system: &str) -> Result<&str, Fault> {
        self.customer.as_ref().map(|receipt| receipt.remote_id.as_str()).ok_or_else(|| missing(system, "customer"))
    }

    /// The remote's id of the contract's order.
    ///
    /// # Errors
    /// A refusal where it is not known.
    pub fn order_id(&self, system: &str) -> Result<&str, Fault> {
        self.order.as_ref().map(|receipt| receipt.remote_id.as_str()).ok_or_else(|| missing(system, "order"))
    }
}

fn missing(system: &str, what: &str) -> Fault {
    let detail = format!("the {what} is not known: it must be delivered first");
    Fault { system: system.into(), class: Class::Refused, detail, code: None, request_id: None }
}

/// What a remote answered to a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The remote's id of what was written.
    pub remote_id: String,
    /// The remote's document number, where it differs from ours or matters.
    pub remote_number: Option<String>,
    /// The remote's request id (`intuit_tid`, `X-…-RequestId`), for a support case.
    pub request_id: Option<String>,
    /// It is not posted, or the remote did not say whether it is: nobody is told *invoiced* before a poll has shown it posted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unposted: bool,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As if the write had answered.
    pub receipt: Receipt,
    /// What the remote's document says, to be verified before it is adopted.
    pub says: Statement,
}

/// A verified webhook delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The same for every retry of one delivery.
    pub id: String,
    /// Records to look at again; empty for events that do not concern us.
    pub hints: Vec<Hint>,
}

/// A record that may have changed. Never a source of facts: the record is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id.
    pub id: String,
}

/// Why a webhook is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Signature missing or wrong: 401, no detail to the sender.
    #[error("webhook signature is missing or wrong")]
    Signature,
    /// The remote sends no webhooks: 404.
    #[error("this remote sends no webhooks")]
    Unexpected,
    /// Signed, and still not readable: 400.
    #[error("webhook body cannot be read: {0}")]
    Body(String),
}

/// What went wrong between us and a remote, by what has to happen next. Its text names the remote's request id, so that
/// whatever keeps the text (audit trail, parked deliveries, logs) has what a support case asks for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{system}: {class}: {detail}{}", named(self.request_id.as_deref()))]
pub struct Fault {
    /// Connection.
    pub system: String,
    /// Kind of fault.
    pub class: Class,
    /// What the remote said, without secrets and personal data.
    pub detail: String,
    /// What decides about other ways to go on: the remote's own error code, else the status of its answer.
    pub code: Option<String>,
    /// The remote's request id.
    pub request_id: Option<String>,
}

/// Characters of the longest code of a remote.
const CODE: usize = 100;

impl Fault {
    /// The same fault, with the remote's code for it.
    #[must_use]
    pub fn coded(self, code: impl Into<String>) -> Self {
        // Codes are short; what is longer is none.
        Self { code: Some(code.into().chars().take(CODE).collect()), ..self }
    }

    /// Whether the remote gave this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

fn named(request_id: Option<&str>) -> String {
    request_id.map(|id| format!(" (request id {id})")).unwrap_or_default()
}

/// Kinds of fault. The daemon's policy table says what follows from each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Class {
    /// No customer has this name, others are called alike, and a person has to say which one it is. Nothing was written.
    #[error("refused")]
    Alike(Box<[Known]>),
    /// The answer cannot be understood. Of a write: it may have happened.
    #[error("answer not understood")]
    Misunderstood,
    /// The remote understood and refused: sending the same again is pointless.
    #[error("refused")]
    Refused,
    /// Too many requests; nothing was written.
    #[error("throttled")]
    Throttled {
        /// Not before this instant, where the remote says.
        until: Option<Timestamp>,
    },
    /// Credentials or rights. Nothing was written.
    #[error("not authorised")]
    Unauthorised,
    /// Sent, and no answer: it may have happened. Look before trying again.
    #[error("sent, no answer")]
    Unanswered,
    /// Not sent: nothing was written.
    #[error("not reachable")]
    Unreachable,
}
