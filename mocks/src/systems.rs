//! The simulated systems as a list: whoever adds one writes one line here, and its verbs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::Refused;
use crate::clock::SimClock;
use crate::faults::Faults;
use crate::jira::Jira;
use crate::netsuite::NetSuite;
use crate::quickbooks::QuickBooks;
use crate::salesforce::Salesforce;
use crate::serve::{self, Desk, System};

/// What a system is opened with.
pub(crate) struct Opening<'a> {
    /// State is kept here; without it, in memory.
    pub(crate) dir: Option<&'a Path>,
    /// Its view of the clock.
    pub(crate) clock: SimClock,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
    pub(crate) faults: Faults,
}

/// One system of the list.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    pub(crate) system: Arc<dyn System>,
    /// Its view of the clock, which may be skewed.
    view: SimClock,
}

macro_rules! systems {
    ($($(#[$meta:meta])* $name:ident: $simulator:ty,)*) => {
        /// Names of the systems, in the order of the list.
        pub const NAMES: [&str; [$(stringify!($name)),*].len()] = [$(stringify!($name)),*];

        /// The simulated systems, with one clock and one schedule of faults.
        pub struct Systems {
            /// The clock of them all.
            pub clock: SimClock,
            /// Troubles to come and counters of requests.
            pub faults: Faults,
            $($(#[$meta])* pub $name: Arc<$simulator>,)*
            list: Vec<Listed>,
        }

        impl Systems {
            /// Opens what they keep in a folder, or in memory. Each is given the next of `urls`.
            pub(crate) fn open(dir: Option<&Path>, now: Timestamp, urls: Vec<String>) -> io::Result<Self> {
                let clock = SimClock::new(now);
                let faults = Faults::open(dir, clock.clone())?;
                let (mut urls, mut list) = (urls.into_iter(), Vec::new());
                $(
                    let (url, view) = (urls.next().unwrap_or_default(), clock.view());
                    let opening = Opening { dir, clock: view.clone(), base: url.clone(), faults: faults.clone() };
                    let $name = Arc::new(<$simulator>::open(opening)?);
                    list.push(Listed { name: stringify!($name), url, system: $name.clone(), view });
                )*
                let systems = Self { clock, faults, $($name,)* list };
                systems.settle_by_the_clock();
                Ok(systems)
            }
        }
    };
}

systems! {
    /// The CRM.
    salesforce: Salesforce,
    /// The project tool.
    jira: Jira,
    /// One accounting system.
    netsuite: NetSuite,
    /// The other one.
    quickbooks: QuickBooks,
}

impl Systems {
    /// Every setting of the clock lands the late writes whose time has come.
    fn settle_by_the_clock(&self) {
        for listed in &self.list {
            let (weak, faults, view) = (Arc::downgrade(&listed.system), self.faults.clone(), listed.view.clone());
            self.clock.on_set(move || {
                if let Some(system) = weak.upgrade() {
                    serve::settle(system.as_ref(), &faults, &view);
                }
            });
        }
    }

    pub(crate) fn list(&self) -> &[Listed] {
        &self.list
    }

    /// Where calls to a system are answered; `in_flight`: as many at once as the vendor takes.
    pub(crate) fn desk(&self, listed: &Listed, in_flight: bool) -> Arc<Desk> {
        Desk::new(Arc::clone(&listed.system), self.faults.clone(), listed.view.clone(), in_flight)
    }

    /// Address of a system: `http://127.0.0.1:PORT`; empty, where none has the name.
    pub fn url(&self, system: &str) -> &str {
        self.list.iter().find(|listed| listed.name == system).map_or("", |listed| &listed.url)
    }

    /// Lets the clock of one system be wrong by so many milliseconds until it is set right with zero.
    pub fn skew(&self, system: &str, ms: i64) -> Result<(), Refused> {
        let Some(listed) = self.list.iter().find(|listed| listed.name == system) else {
            return Err(Refused(format!("no system is called `{system}`")));
        };
        listed.view.skew(ms);
        Ok(())
    }

    /// Lands the late writes whose time has come. Every request and every setting of the clock does so by itself.
    pub fn settle(&self) {
        for listed in &self.list {
            serve::settle(listed.system.as_ref(), &self.faults, &self.clock);
        }
    }
}
