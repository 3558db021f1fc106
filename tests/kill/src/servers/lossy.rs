//! What stands between a daemon and a server, and lets answers be lost: the request is carried out, and nobody hears of it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A way to a server that loses answers.
pub struct Lossy {
    /// Where it listens.
    pub url: String,
    /// How requests begin whose next answer is lost.
    losing: Arc<Mutex<Vec<String>>>,
}

impl Lossy {
    /// A way to the server at an address.
    ///
    /// # Errors
    /// There is no port.
    pub async fn to(url: &str) -> anyhow::Result<Self> {
        let there = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let losing = Arc::new(Mutex::new(Vec::new()));
        let plan = Arc::clone(&losing);
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let (there, plan) = (there.clone(), Arc::clone(&plan));
                // A broken connection is what this is for.
                tokio::spawn(async move { carry(here, &there, &plan).await.ok() });
            }
        });
        Ok(Self { url, losing })
    }

    /// The answer to the next request that begins like this is lost.
    pub fn lose(&self, beginning: &str) {
        if let Ok(mut losing) = self.losing.lock() {
            losing.push(beginning.to_owned());
        }
    }

    /// How many answers are still to be lost.
    pub fn left(&self) -> usize {
        self.losing.lock().map_or(0, |losing| losing.len())
    }
}

/// Carries one connection: the servers close theirs after each answer.
async fn carry(mut here: TcpStream, there: &str, plan: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let request = whole(&mut here).await?;
    let lost = plan.lock().is_ok_and(|mut plan| {
        let place = plan.iter().position(|beginning| request.starts_with(beginning.as_bytes()));
        place.map(|place| plan.remove(place)).is_some()
    });
    let mut server = TcpStream::connect(there).await?;
    server.write_all(&request).await?;
    if !lost {
        return tokio::io::copy_bidirectional(&mut here, &mut server).await.map(drop);
    }
    // What comes back is read to its end, and thrown away: whatever was asked for is done by then.
    server.read_to_end(&mut Vec::new()).await.map(drop)
}

/// A request with its body.
async fn whole(here: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut request, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let length = here.read(&mut part).await?;
        request.extend_from_slice(part.get(..length).unwrap_or_default());
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n").filter(|_| length > 0) else {
            if length == 0 {
                return Ok(request);
            }
            continue;
        };
        let told = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= told.unwrap_or(0_usize) {
            return Ok(request);
        }
    }
}
