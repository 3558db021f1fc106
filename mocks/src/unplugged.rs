//! The simulators without sockets: calls are functions. For simulations that run in one thread, under a seed.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::call::Call;
use crate::clock::SimClock;
use crate::faults::Faults;
use crate::jira::Jira;
use crate::netsuite::NetSuite;
use crate::quickbooks::QuickBooks;
use crate::salesforce::Salesforce;
use crate::serve::{self, Desk, System};

/// Simulators that are called and not connected to.
pub struct Unplugged {
    /// The clock of them all.
    pub clock: SimClock,
    /// The CRM.
    pub salesforce: Arc<Salesforce>,
    /// The project tool.
    pub jira: Arc<Jira>,
    /// One accounting system.
    pub netsuite: Arc<NetSuite>,
    /// The other one.
    pub quickbooks: Arc<QuickBooks>,
    /// Troubles to come and counters of requests.
    pub faults: Faults,
    /// An address that nobody listens on.
    pub salesforce_url: String,
    /// An address that nobody listens on.
    pub jira_url: String,
    /// An address that nobody listens on.
    pub netsuite_url: String,
    /// An address that nobody listens on.
    pub quickbooks_url: String,
    desks: [(String, Arc<Desk>); 4],
}

/// An answer of a simulator.
#[derive(Debug, Clone)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Unplugged {
    /// Empty simulators; their clock stands at `now`.
    pub fn at(now: Timestamp) -> io::Result<Unplugged> {
        let clock = SimClock::new(now);
        let faults = Faults::open(None, clock.clone())?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let [salesforce_url, jira_url, netsuite_url, quickbooks_url] = [8901, 8902, 8903, 8904].map(url);
        // Each system has its own view of the clock, which may be skewed.
        let views = [clock.view(), clock.view(), clock.view(), clock.view()];
        let [of_salesforce, of_jira, of_netsuite, of_quickbooks] = views.clone();
        let salesforce = Arc::new(Salesforce::open(None, of_salesforce, salesforce_url.clone(), faults.clone())?);
        let jira = Arc::new(Jira::open(None, of_jira, jira_url.clone(), faults.clone())?);
        let netsuite = Arc::new(NetSuite::open(None, of_netsuite, netsuite_url.clone())?);
        let quickbooks = Arc::new(QuickBooks::open(None, of_quickbooks, quickbooks_url.clone(), faults.clone())?);
        let desk = |url: &String, system: Arc<dyn System>, view: &SimClock| {
            let (weak, late, time) = (Arc::downgrade(&system), faults.clone(), view.clone());
            clock.on_set(move || {
                if let Some(system) = weak.upgrade() {
                    serve::settle(system.as_ref(), &late, &time);
                }
            });
            (url.clone(), Desk::new(system, faults.clone(), view.clone(), false))
        };
        let [salesforces, jiras, netsuites, quickbookses] = &views;
        let desks = [
            desk(&salesforce_url, salesforce.clone(), salesforces),
            desk(&jira_url, jira.clone(), jiras),
            desk(&netsuite_url, netsuite.clone(), netsuites),
            desk(&quickbooks_url, quickbooks.clone(), quickbookses),
        ];
        Ok(Unplugged {
            clock,
            salesforce,
            jira,
            netsuite,
            quickbooks,
            faults,
            salesforce_url,
            jira_url,
            netsuite_url,
            quickbooks_url,
            desks,
        })
    }

    /// The answer to a request to one of the addresses; `None` where the line is cut before the answer is complete.
    pub fn carry(&self, url: &str, method: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Option<Answered> {
        let (target, desk) =
            self.desks.iter().find_map(|(base, desk)| Some((url.strip_prefix(base.as_str())?, desk)))?;
        let mut headers = headers;
        headers.push(("host".into(), url.split('/').nth(2).unwrap_or_default().into()));
        let reply = desk.answer_at_once(Call::new(method, target, headers, body))?;
        Some(Answered { status: reply.status, headers: reply.headers, body: reply.body })
    }
}
