//! A disk that keeps what was synced and gambles with the rest: when the power fails, each write since the last sync has
//! survived, vanished or been torn, sector by sector.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// Something done to a file and not synced yet.
#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at.saturating_add(bytes.len());
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*at..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Truncate(length) => content.truncate(*length),
        }
    }

    /// The parts of a write that a failing disk treats each by itself.
    fn sectors(&self) -> Vec<Change> {
        match self {
            Self::Truncate(_) => vec![self.clone()],
            Self::Write { at, bytes } => {
                let mut parts = Vec::new();
                let mut from = 0_usize;
                while from < bytes.len() {
                    let place = at.saturating_add(from);
                    let rest = SECTOR.saturating_sub(place.checked_rem(SECTOR).unwrap_or(0));
                    let to = from.saturating_add(rest).min(bytes.len());
                    let part = bytes.get(from..to).unwrap_or_default().to_vec();
                    parts.push(Change::Write { at: place, bytes: part });
                    from = to;
                }
                parts
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    changes: Vec<Change>,
    content: Vec<u8>,
}

/// Files, and when the power fails.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<String, File>,
    /// Calls so far that change something or sync.
    calls: u64,
    /// The power fails at this call.
    cut_at: Option<u64>,
    dead: bool,
    noise: u64,
}

thread_local! {
    static DISK: RefCell<Disk> = RefCell::new(Disk::default());
}

/// Does something with the disk of this thread.
pub fn with<T>(work: impl FnOnce(&mut Disk) -> T) -> T {
    DISK.with(|disk| work(&mut disk.borrow_mut()))
}

/// The power is off: nothing is read or written any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerIsOff;

type Done<T> = Result<T, PowerIsOff>;

impl Disk {
    /// The power will fail at the `call`-th change or sync from now on; `None`: it will not.
    pub fn cut_at(&mut self, call: Option<u64>) {
        self.calls = 0;
        self.cut_at = call;
        self.dead = false;
    }

    /// Changes and syncs since [`Disk::cut_at`].
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether the power has failed.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// The power is back: of what was not synced, each sector has survived or vanished.
    pub fn restart(&mut self, dice: &mut StdRng) {
        for file in self.files.values_mut() {
            let mut content = std::mem::take(&mut file.durable);
            let survives = dice.random_range(0..=100_u32);
            for change in std::mem::take(&mut file.changes) {
                for part in change.sectors() {
                    if dice.random_range(0..100) < survives {
                        part.apply(&mut content);
                    }
                }
            }
            file.durable.clone_from(&content);
            file.content = content;
        }
        self.cut_at(None);
    }

    /// Bytes that look random and are the same in every run.
    pub(crate) fn noise(&mut self, out: &mut [u8]) {
        for byte in out {
            self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from(self.noise >> 56).unwrap_or(0);
        }
    }

    fn alive(&self) -> Done<()> {
        if self.dead { Err(PowerIsOff) } else { Ok(()) }
    }

    /// Counts a call. `true`: the power fails in it.
    fn count(&mut self) -> Done<bool> {
        self.alive()?;
        self.calls = self.calls.saturating_add(1);
        Ok(self.cut_at.is_some_and(|cut| self.calls >= cut))
    }

    fn change(&mut self, name: &str, change: Change) -> Done<()> {
        let fails = self.count()?;
        let file = self.files.entry(name.into()).or_default();
        change.apply(&mut file.content);
        file.changes.push(change);
        if fails {
            self.dead = true;
            return Err(PowerIsOff);
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, name: &str, at: usize, bytes: &[u8]) -> Done<()> {
        self.change(name, Change::Write { at, bytes: bytes.to_vec() })
    }

    pub(crate) fn truncate(&mut self, name: &str, length: usize) -> Done<()> {
        self.change(name, Change::Truncate(length))
    }

    pub(crate) fn sync(&mut self, name: &str) -> Done<()> {
        if self.count()? {
            self.dead = true;
            return Err(PowerIsOff);
        }
        if let Some(file) = self.files.get_mut(name) {
            file.changes.clear();
            file.durable.clone_from(&file.content);
        }
        Ok(())
    }

    /// A deletion is in the directory at once; a power failure may have prevented it, not undone it.
    pub(crate) fn delete(&mut self, name: &str) -> Done<()> {
        if self.count()? {
            self.dead = true;
            return Err(PowerIsOff);
        }
        self.files.remove(name);
        Ok(())
    }

    pub(crate) fn open(&mut self, name: &str, create: bool) -> Done<bool> {
        self.alive()?;
        if create {
            self.files.entry(name.into()).or_default();
        }
        Ok(self.files.contains_key(name))
    }

    pub(crate) fn exists(&self, name: &str) -> Done<bool> {
        self.alive()?;
        Ok(self.files.contains_key(name))
    }

    pub(crate) fn length(&self, name: &str) -> Done<usize> {
        self.alive()?;
        Ok(self.files.get(name).map_or(0, |file| file.content.len()))
    }

    /// Reads into `buffer`. `false`: there was less; the rest is zeros.
    pub(crate) fn read(&self, name: &str, at: usize, buffer: &mut [u8]) -> Done<bool> {
        self.alive()?;
        let content = self.files.get(name).map(|file| file.content.as_slice()).unwrap_or_default();
        let there = content.get(at.min(content.len())..).unwrap_or_default();
        let length = there.len().min(buffer.len());
        buffer.fill(0);
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), there.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length == buffer.len())
    }
}
