//! Load: prepared requests over plain connections, so that what sends them costs next to nothing.

use std::fmt;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::loopback::Remotes;

/// A system under load.
pub(crate) struct System {
    /// Its processes.
    pub(crate) processes: Vec<Child>,
    /// Where events are posted.
    pub(crate) address: String,
    /// The request of an event.
    pub(crate) request: fn(&str, usize) -> Vec<u8>,
    /// Makes that nothing but accepting goes on, and back; `None`: it cannot be told to.
    pub(crate) hold: Option<fn(&Remotes, bool)>,
}

impl System {
    /// Resident memory of all its processes, in megabytes.
    pub(crate) fn resident(&self) -> f64 {
        let of = |process: &Child| status(process.id(), "VmRSS");
        self.processes.iter().map(of).sum()
    }

    /// Processor time of all its processes, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let of = |process: &Child| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
            let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
            fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
        };
        // A tick is ten milliseconds.
        self.processes.iter().map(of).sum::<f64>() * 10.0
    }

    pub(crate) fn stop(mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A line of a process's status, in megabytes.
pub(crate) fn status(process: u32, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Times of events and how many there were a second.
#[derive(Default)]
pub(crate) struct Times {
    pub(crate) accepted: f64,
    pub(crate) delivered: f64,
    pub p50: f64,
    pub p99: f64,
    pub(crate) first_free: usize,
}

/// What a round gave.
pub(crate) struct Measured {
    pub(crate) saturated: Times,
    pub(crate) cpu: f64,
    pub(crate) slow: Times,
    pub(crate) fast: Times,
    pub(crate) idle: f64,
    pub(crate) loaded: f64,
    pub(crate) accepts: Option<f64>,
}

impl Measured {
    pub(crate) fn median(all: &[&Self]) -> Self {
        let of = |read: &dyn Fn(&Self) -> f64| {
            let mut values: Vec<f64> = all.iter().map(|one| read(one)).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let times = |read: fn(&Self) -> &Times| Times {
            accepted: of(&|one| read(one).accepted),
            delivered: of(&|one| read(one).delivered),
            p50: of(&|one| read(one).p50),
            p99: of(&|one| read(one).p99),
            first_free: 0,
        };
        Self {
            saturated: times(|one| &one.saturated),
            cpu: of(&|one| one.cpu),
            slow: times(|one| &one.slow),
            fast: times(|one| &one.fast),
            idle: of(&|one| one.idle),
            loaded: of(&|one| one.loaded),
            accepts: all[0].accepts.map(|_| of(&|one| one.accepts.unwrap_or(0.0))),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { saturated, cpu, slow, fast, idle, loaded, accepts } = self;
        write!(
            out,
            "{:>6.0} delivered/s, {cpu:.3} ms CPU each, p50 {:.1} p99 {:.1} ms; 100/s: {:.2} {:.2} ms; 1000/s: {:.2} {:.2} ms; {idle:.0} MB idle, {loaded:.0} MB loaded",
            saturated.delivered, saturated.p50, saturated.p99, slow.p50, slow.p99, fast.p50, fast.p99
        )?;
        match accepts {
            Some(accepts) => write!(out, "; {accepts:.0} accepts/s"),
            None => Ok(()),
        }
    }
}

/// One connection that posts one after another.
struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Line {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, answer: Vec::new() }
    }

    async fn post(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.answer.clear();
        loop {
            assert_ne!(self.stream.read_buf(&mut self.answer).await.unwrap(), 0, "the connection was closed");
            let text = String::from_utf8_lossy(&self.answer).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                assert!(head.starts_with("http/1.1 2"), "{text}");
                return;
            }
        }
    }
}

/// Posts `count` events, so many at once, and waits until all have arrived.
pub(crate) async fn saturated(
    system: &System,
    remotes: &Arc<Remotes>,
    first: usize,
    count: usize,
    in_flight: usize,
) -> Times {
    remotes.expect(first + count);
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new((first..first + count).map(|event| (system.request)(&system.address, event)).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..in_flight {
        let (requests, next, address) = (Arc::clone(&requests), Arc::clone(&next), system.address.clone());
        tasks.push(tokio::spawn(async move {
            let (mut line, mut posted) = (Line::open(&address).await, Vec::new());
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(index) else { return posted };
                posted.push((first + index, Instant::now()));
                line.post(request).await;
            }
        }));
    }
    let mut posted = Vec::with_capacity(count);
    for task in tasks {
        posted.extend(task.await.unwrap());
    }
    let accepted = count as f64 / begun.elapsed().as_secs_f64();
    remotes.all_arrived().await;
    let delivered = count as f64 / begun.elapsed().as_secs_f64();
    times(remotes, &posted, accepted, delivered, first + count)
}

/// Posts `rate` events a second, whatever becomes of them.
pub(crate) async fn open(system: &System, remotes: &Arc<Remotes>, first: usize, rate: usize, seconds: usize) -> Times {
    let count = rate * seconds;
    remotes.expect(first + count);
    let (sender, queue) = tokio::sync::mpsc::unbounded_channel::<(usize, Instant, Vec<u8>)>();
    let queue = Arc::new(tokio::sync::Mutex::new(queue));
    for _ in 0..32 {
        let (queue, address) = (Arc::clone(&queue), system.address.clone());
        tokio::spawn(async move {
            let mut line = Line::open(&address).await;
            loop {
                let next = queue.lock().await.recv().await;
                let Some((_, _, request)) = next else { return };
                line.post(&request).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    let mut posted = Vec::with_capacity(count);
    for index in 0..count {
        let request = (system.request)(&system.address, first + index);
        let at = begun + Duration::from_secs_f64(index as f64 / rate as f64);
        tokio::time::sleep_until(at.into()).await;
        let now = Instant::now();
        posted.push((first + index, now));
        sender.send((first + index, now, request)).unwrap();
    }
    remotes.all_arrived().await;
    let delivered = count as f64 / begun.elapsed().as_secs_f64();
    times(remotes, &posted, delivered, delivered, first + count)
}

/// Accepts a second while nothing else goes on.
pub(crate) async fn accepts(system: &System, remotes: &Arc<Remotes>, count: usize) -> Option<f64> {
    let hold = system.hold?;
    hold(remotes, true);
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new((0..count).map(|event| (system.request)(&system.address, 1_000_000 + event)).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (requests, next, address) = (Arc::clone(&requests), Arc::clone(&next), system.address.clone());
            tokio::spawn(async move {
                let mut line = Line::open(&address).await;
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    line.post(request).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    Some(rate)
}

/// Waits until one more is accepted.
pub(crate) async fn first_accept(address: &str, request: &[u8]) {
    loop {
        if TcpStream::connect(address).await.is_ok() {
            Line::open(address).await.post(request).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn times(remotes: &Remotes, posted: &[(usize, Instant)], accepted: f64, delivered: f64, first_free: usize) -> Times {
    let mut took: Vec<f64> =
        posted.iter().map(|(event, at)| remotes.arrived(*event).duration_since(*at).as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    Times { accepted, delivered, p50: took[took.len() / 2], p99: took[took.len() * 99 / 100], first_free }
}
