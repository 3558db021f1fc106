//! All simulators together, served on their ports of the loopback address.

use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::mail::MailSink;
use crate::serve::{self, Server};
use crate::systems::{NAMES, Systems};

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// State is kept here; without it, in memory.
    pub dir: Option<PathBuf>,
    /// The first of consecutive ports: the systems in the order of their list, then the mail relay; without it, free ones.
    pub first_port: Option<u16>,
    /// Where the clock stands at first.
    pub now: Timestamp,
}

/// The running simulators.
pub struct Simulators {
    systems: Systems,
    /// The mail relay.
    pub mail: Arc<MailSink>,
    /// `127.0.0.1:PORT`
    pub smtp_address: String,
    servers: Vec<Server>,
    post: JoinHandle<()>,
}

impl Deref for Simulators {
    type Target = Systems;

    fn deref(&self) -> &Systems {
        &self.systems
    }
}

impl Simulators {
    /// Opens their state and starts serving.
    pub async fn start(options: Options) -> io::Result<Simulators> {
        let dir = options.dir.as_deref();
        let mut ports = (0..).map(|place: u16| options.first_port.map_or(0, |first| first.saturating_add(place)));
        let mut bind = || TcpListener::bind(("127.0.0.1", ports.next().unwrap_or_default()));
        let (mut doors, mut urls) = (Vec::new(), Vec::new());
        for _ in NAMES {
            let door = bind().await?;
            urls.push(format!("http://{}", door.local_addr()?));
            doors.push(door);
        }
        let systems = Systems::open(dir, options.now, urls)?;
        let mail_door = bind().await?;
        let smtp_address = mail_door.local_addr()?.to_string();
        let mail = Arc::new(MailSink::open(dir, systems.clock.clone(), systems.faults.clone())?);
        let post = Arc::clone(&mail).serve(mail_door);
        let served = doors.into_iter().zip(systems.list());
        let servers = served.map(|(door, listed)| serve::serve(door, systems.desk(listed, true))).collect();
        Ok(Simulators { systems, mail, smtp_address, servers, post })
    }

    /// Stops serving and frees the ports; what was kept stays.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
        self.post.abort();
    }
}
