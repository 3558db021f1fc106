//! The simulators without sockets: calls are functions. For simulations that run in one thread, under a seed.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use crate::call::Call;
use crate::serve::Desk;
use crate::systems::{NAMES, Systems};

/// Simulators that are called and not connected to. Nobody listens on their addresses.
pub struct Unplugged {
    systems: Systems,
    desks: Vec<(String, Arc<Desk>)>,
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

impl Deref for Unplugged {
    type Target = Systems;

    fn deref(&self) -> &Systems {
        &self.systems
    }
}

impl Unplugged {
    /// Empty simulators; their clock stands at `now`.
    pub fn at(now: Timestamp) -> io::Result<Unplugged> {
        let urls = (8901..).zip(NAMES).map(|(port, _)| format!("http://127.0.0.1:{port}")).collect();
        let systems = Systems::open(None, now, urls)?;
        let desks = systems.list().iter().map(|listed| (listed.url.clone(), systems.desk(listed, false))).collect();
        Ok(Unplugged { systems, desks })
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
