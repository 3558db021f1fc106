//! All simulators together: started on their ports, sharing one clock and one schedule of faults.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Refused;
use crate::clock::SimClock;
use crate::faults::Faults;
use crate::jira::Jira;
use crate::mail::MailSink;
use crate::netsuite::NetSuite;
use crate::quickbooks::QuickBooks;
use crate::salesforce::Salesforce;
use crate::serve::{self, Desk, Server, System};

/// Ports of the simulators on the loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// HTTP.
    pub salesforce: u16,
    /// HTTP.
    pub jira: u16,
    /// HTTP.
    pub netsuite: u16,
    /// HTTP.
    pub quickbooks: u16,
    /// SMTP.
    pub mail: u16,
}

impl Default for Ports {
    fn default() -> Ports {
        Ports { salesforce: 8901, jira: 8902, netsuite: 8903, quickbooks: 8904, mail: 8905 }
    }
}

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// State is kept here; without it, in memory.
    pub dir: Option<PathBuf>,
    /// Fixed ports; without them, free ones.
    pub ports: Option<Ports>,
    /// Where the clock stands at first.
    pub now: Timestamp,
}

/// The running simulators.
pub struct Simulators {
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
    /// The mail relay.
    pub mail: Arc<MailSink>,
    /// Troubles to come and counters of requests.
    pub faults: Faults,
    /// `http://127.0.0.1:PORT`
    pub salesforce_url: String,
    /// `http://127.0.0.1:PORT`
    pub jira_url: String,
    /// `http://127.0.0.1:PORT`
    pub netsuite_url: String,
    /// `http://127.0.0.1:PORT`
    pub quickbooks_url: String,
    /// `127.0.0.1:PORT`
    pub smtp_address: String,
    views: [SimClock; 4],
    servers: Vec<Server>,
    post: JoinHandle<()>,
}

const NAMES: [&str; 4] = ["salesforce", "jira", "netsuite", "quickbooks"];

async fn bind(port: u16) -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

impl Simulators {
    /// Opens their state and starts serving.
    pub async fn start(options: Options) -> io::Result<Simulators> {
        let dir = options.dir.as_deref();
        let clock = SimClock::new(options.now);
        let faults = Faults::open(dir, clock.clone())?;
        let ports = options.ports.unwrap_or(Ports { salesforce: 0, jira: 0, netsuite: 0, quickbooks: 0, mail: 0 });
        let (salesforce_door, salesforce_url) = bind(ports.salesforce).await?;
        let (jira_door, jira_url) = bind(ports.jira).await?;
        let (netsuite_door, netsuite_url) = bind(ports.netsuite).await?;
        let (quickbooks_door, quickbooks_url) = bind(ports.quickbooks).await?;
        // each system has its own view of the clock, which may be skewed
        let views = [clock.view(), clock.view(), clock.view(), clock.view()];
        let [of_salesforce, of_jira, of_netsuite, of_quickbooks] = views.clone();
        let salesforce = Arc::new(Salesforce::open(dir, of_salesforce, salesforce_url.clone(), faults.clone())?);
        let jira = Arc::new(Jira::open(dir, of_jira, jira_url.clone(), faults.clone())?);
        let netsuite = Arc::new(NetSuite::open(dir, of_netsuite, netsuite_url.clone())?);
        let quickbooks = Arc::new(QuickBooks::open(dir, of_quickbooks, quickbooks_url.clone(), faults.clone())?);
        let mail_door = TcpListener::bind(("127.0.0.1", ports.mail)).await?;
        let smtp_address = mail_door.local_addr()?.to_string();
        let mail = Arc::new(MailSink::open(dir, clock.clone(), faults.clone())?);
        let post = Arc::clone(&mail).serve(mail_door);
        let systems: [(TcpListener, Arc<dyn System>); 4] = [
            (salesforce_door, salesforce.clone()),
            (jira_door, jira.clone()),
            (netsuite_door, netsuite.clone()),
            (quickbooks_door, quickbooks.clone()),
        ];
        let mut servers = Vec::new();
        for ((door, system), view) in systems.into_iter().zip(views.clone()) {
            let (weak, late, time) = (Arc::downgrade(&system), faults.clone(), view.clone());
            clock.on_set(move || {
                if let Some(system) = weak.upgrade() {
                    serve::settle(system.as_ref(), &late, &time);
                }
            });
            servers.push(serve::serve(door, Desk::new(system, faults.clone(), view, true)));
        }
        Ok(Simulators {
            clock,
            salesforce,
            jira,
            netsuite,
            quickbooks,
            mail,
            faults,
            salesforce_url,
            jira_url,
            netsuite_url,
            quickbooks_url,
            smtp_address,
            views,
            servers,
            post,
        })
    }

    /// Lets the clock of one system be wrong by so many milliseconds until it is set right with zero.
    pub fn skew(&self, system: &str, ms: i64) -> Result<(), Refused> {
        let view = NAMES.iter().zip(&self.views).find(|(name, _)| **name == system).map(|(_, view)| view);
        let Some(view) = view else { return Err(Refused(format!("no system is called `{system}`"))) };
        view.skew(ms);
        Ok(())
    }

    /// Lands the late writes whose time has come. Every request and every setting of the clock does so by itself.
    pub fn settle(&self) {
        let systems: [&dyn System; 4] = [&*self.salesforce, &*self.jira, &*self.netsuite, &*self.quickbooks];
        for system in systems {
            serve::settle(system, &self.faults, &self.clock);
        }
    }

    /// Stops serving and frees the ports; what was kept stays.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
        self.post.abort();
    }
}
