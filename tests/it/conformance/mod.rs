//! Every connector against its simulator, through the one suite of the connector kit.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::conformance::{Conditions, Remote, Trouble};
use milestoned_connector_kit::token::TokenStore;
use milestoned_connector_kit::{After, Class, Clock, Cursor, Receipt, Source};
use milestoned_mapping::command::{BillingStatus, Command, DeliveryKey, Document};
use milestoned_mapping::money::Currency;
use milestoned_mocks::{FaultSpec, Options, SimClock, Simulators};
use serde_json::{Value, json};

mod costs;
mod jira;
mod netsuite;
mod quickbooks;
mod salesforce;

/// Simulators and a clock of ours that may be wrong.
pub(crate) struct Desk {
    pub(crate) simulators: Simulators,
    pub(crate) clock: Arc<WrongClock>,
    system: &'static str,
    acts: AtomicUsize,
}

/// The simulators' time and so much more.
pub(crate) struct WrongClock {
    time: SimClock,
    by: Mutex<SignedDuration>,
}

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        self.time.now() + *self.by.lock().unwrap()
    }
}

impl Desk {
    pub(crate) async fn open(system: &'static str) -> Self {
        let now = "2026-03-02T09:00:00Z".parse().unwrap();
        let simulators = Simulators::start(Options { dir: None, first_port: None, now }).await.unwrap();
        let clock = Arc::new(WrongClock { time: simulators.clock.clone(), by: Mutex::default() });
        Self { simulators, clock, system, acts: AtomicUsize::new(0) }
    }

    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        self.simulators.faults.requests(self.system)
    }

    pub(crate) fn throttled(&self) -> u64 {
        self.simulators.faults.throttled(self.system)
    }

    /// A name, never given before, for what somebody does.
    pub(crate) fn act(&self, what: &str) -> String {
        format!("{what} {}", self.acts.fetch_add(1, Ordering::Relaxed))
    }
}

impl Conditions for Desk {
    fn advance(&self, by: SignedDuration) {
        self.simulators.clock.set(self.simulators.clock.now() + by);
    }

    fn skew(&self, by: SignedDuration) {
        *self.clock.by.lock().unwrap() = by;
    }

    fn strike(&self, trouble: Trouble, times: u32) {
        self.simulators.faults.inject(self.system, FaultSpec::new(trouble.name()).times(times)).unwrap();
    }
}

/// An invoice of 10.25 USD, and the customer whom the vendor knows by this id.
pub(crate) fn invoice(ordinal: u32, customer: &str) -> (DeliveryKey, Command, After) {
    let usd: Currency = "USD".parse().unwrap();
    let document = Document {
        number: format!("CONF-M{ordinal}"),
        contract: "CONF".into(),
        milestone: format!("M{ordinal}"),
        customer: "Conformance Ltd".into(),
        date: "2026-03-02".parse().unwrap(),
        due_on: "2026-04-01".parse().unwrap(),
        amount: usd.parse("10.25").unwrap(),
        description: "Design".into(),
        po_number: None,
        payment_terms: "net 30".into(),
        acceptance: None,
        original: None,
        order: None,
        obligation: None,
    };
    let receipt = Receipt { remote_id: customer.into(), remote_number: None, request_id: None, unposted: false };
    let key = DeliveryKey::of(&["conformance", &ordinal.to_string()]);
    (key, Command::Invoice(document), After { customer: Some(receipt), ..After::default() })
}

/// A billing status to show on a record.
pub(crate) fn status(ordinal: u32, record: &str) -> (DeliveryKey, Command, After) {
    let usd: Currency = "USD".parse().unwrap();
    let status = BillingStatus {
        contract: "CONF".into(),
        milestone: format!("M{ordinal}"),
        name: "Design".into(),
        record: record.into(),
        status: "invoiced".into(),
        amount: usd.parse("10.25").unwrap(),
        accepted_on: None,
        invoice: Some(format!("CONF-M{ordinal}")),
        invoiced_on: None,
        due_on: None,
        blocked_by: Vec::new(),
        link: "https://milestoned.example/contracts/CONF".into(),
    };
    let key = DeliveryKey::of(&["conformance", &ordinal.to_string()]);
    (key, Command::BillingStatus(status), After::default())
}

/// Rotated tokens in memory.
#[derive(Default)]
pub(crate) struct Kept(Mutex<BTreeMap<String, String>>);

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

impl TokenStore for Kept {
    fn load(&self, connection: &str, name: &str) -> Answer<'_, Option<String>> {
        let value = self.0.lock().unwrap().get(&format!("{connection} {name}")).cloned();
        Box::pin(async { Ok(value) })
    }

    fn save(&self, connection: &str, name: &str, value: &str) -> Answer<'_, ()> {
        self.0.lock().unwrap().insert(format!("{connection} {name}"), value.into());
        Box::pin(async { Ok(()) })
    }

    fn replace(&self, connection: &str, name: &str, was: Option<&str>, value: &str) -> Answer<'_, ()> {
        let mut kept = self.0.lock().unwrap();
        let place = format!("{connection} {name}");
        if kept.get(&place).map(String::as_str) == was {
            kept.insert(place, value.into());
        }
        Box::pin(async { Ok(()) })
    }
}

pub(crate) fn fields(value: Value) -> milestoned_mocks::Fields {
    milestoned_tests::fields(value)
}

/// Accounts of an ERP connection, by their ids.
pub(crate) fn accounts(ids: [&str; 4]) -> Value {
    json!({ "unbilled_receivable": ids[0], "contract_asset": ids[1], "deferred_revenue": ids[2], "revenue": ids[3] })
}

/// A connector that has never signed in, and meets a remote that is away.
async fn signs_in_vainly<R: Remote>(remote: R, desk: impl Fn(&R) -> &Desk) {
    let desk = desk(&remote);
    desk.simulators.faults.inject(desk.system, FaultSpec::new("refuse").times(u32::MAX)).unwrap();
    let fault = remote.connector().pull(remote.stream(), &Cursor::default()).await.unwrap_err();
    assert_eq!(fault.class, Class::Unreachable, "a remote that is away is waited for: {fault}");
    desk.simulators.faults.clear().unwrap();
    remote.connector().pull(remote.stream(), &Cursor::default()).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_that_finds_the_remote_away_is_no_refusal_of_the_credentials() {
    signs_in_vainly(netsuite::Account::start().await, |remote| &remote.desk).await;
    signs_in_vainly(quickbooks::Company::start().await, |remote| &remote.desk).await;
    signs_in_vainly(salesforce::Org::start().await, |remote| &remote.desk).await;
}
