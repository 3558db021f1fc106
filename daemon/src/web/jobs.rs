//! Work that may take longer than a request may: it goes on by itself, whoever asked for it waits a moment, and after that looks how
//! far it is. Asking again for what is being made joins it; long after it is done it is made anew. What it came to is kept for some
//! minutes for who asked.

use std::future::Future;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use milestoned_mapping::command::DeliveryKey;
use tempfile::SpooledTempFile;
use tokio::sync::watch;

use super::problem::ApiError;
use crate::progress::Progress;
use crate::report::list_file::Unwritten;

/// Jobs that run at once: each may read every contract.
const AT_ONCE: usize = 3;
/// How long what a job came to is kept for who asked for it.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// How long ago somebody asked who still follows a job: what it came to is theirs. Whoever comes later gets what holds then.
const FOLLOWED: SignedDuration = SignedDuration::from_mins(1);
/// Bytes of a file that are sent at once.
const PIECE: usize = 64 * 1024;

/// A file that was made.
pub(super) struct MadeFile {
    /// Its name.
    pub(super) name: String,
    /// Its media type.
    pub(super) media: &'static str,
    /// What stands in it.
    pub(super) content: Mutex<SpooledTempFile>,
}

impl MadeFile {
    /// A file of these bytes.
    ///
    /// # Errors
    /// The machine's temporary folder does not take it.
    pub(super) fn of(name: &str, media: &'static str, bytes: &[u8]) -> Result<Self, Unwritten> {
        let mut content = SpooledTempFile::new(PIECE);
        content.write_all(bytes)?;
        Ok(Self::kept(name.to_owned(), media, content))
    }

    /// A file that was written.
    pub(super) fn kept(name: String, media: &'static str, content: SpooledTempFile) -> Self {
        Self { name, media, content: Mutex::new(content) }
    }
}

/// What a job came to.
#[derive(Clone)]
pub(super) enum Made {
    /// A file to take away.
    File(Arc<MadeFile>),
    /// Something to look at: an address of ours, and what is told there.
    Page(String, String),
}

type Outcome = Option<Result<Made, ApiError>>;

/// What somebody asks for.
pub(super) struct Wanted {
    /// Names the work: asked for again, it is the same.
    pub(super) key: String,
    /// What it is, for people.
    pub(super) title: String,
    /// Who asks.
    pub(super) by: String,
}

/// A job.
pub(super) struct Job {
    /// Its name in an address.
    pub(super) id: String,
    wanted: Wanted,
    begun_at: Timestamp,
    /// When it was asked for last.
    asked_at: Mutex<Timestamp>,
    progress: Arc<Progress>,
    outcome: watch::Receiver<Outcome>,
}

impl Job {
    /// What it is, for people.
    pub(super) fn title(&self) -> &str {
        &self.wanted.title
    }

    /// How many contracts are read, and how many there are.
    pub(super) fn stands(&self) -> (usize, usize) {
        self.progress.stands()
    }

    /// What it came to, once it is done.
    pub(super) fn outcome(&self) -> Outcome {
        let broken_off = || {
            let remedy = "ask for it again, and see the daemon's log";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "BROKEN_OFF", "it was broken off", remedy)
        };
        let said = self.outcome.borrow().clone();
        said.or_else(|| self.outcome.has_changed().is_err().then(|| Err(broken_off())))
    }

    /// It goes on, or whoever asked for it has not had time to fetch what it came to.
    fn is_followed(&self, now: Timestamp) -> bool {
        let asked_at = *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.outcome().is_none() || now.duration_since(asked_at) < FOLLOWED
    }

    /// Waits at most so long for what it comes to.
    async fn within(&self, patience: Duration) -> Outcome {
        let mut outcome = self.outcome.clone();
        // Whether it is done, broken off or still going on is read from the job itself.
        let _ = tokio::time::timeout(patience, outcome.wait_for(Option::is_some)).await;
        self.outcome()
    }
}

/// The jobs that run or were done in the last minutes.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Vec<Arc<Job>>>);

impl Jobs {
    /// Begins work, or joins the one that goes on, and waits at most so long for what it comes to.
    ///
    /// # Errors
    /// Too many are at work; or why it failed.
    pub(super) async fn done_within<F>(
        &self,
        (wanted, patience): (Wanted, Duration),
        now: Timestamp,
        work: impl FnOnce(Arc<Progress>) -> F,
    ) -> Result<Result<Made, Arc<Job>>, ApiError>
    where
        F: Future<Output = Result<Made, ApiError>> + Send + 'static,
    {
        let job = self.begin(wanted, now, work)?;
        match job.within(patience).await {
            Some(outcome) => {
                self.forget(&job.id);
                Ok(Ok(outcome?))
            }
            None => Ok(Err(job)),
        }
    }

    fn begin<F>(
        &self,
        wanted: Wanted,
        now: Timestamp,
        work: impl FnOnce(Arc<Progress>) -> F,
    ) -> Result<Arc<Job>, ApiError>
    where
        F: Future<Output = Result<Made, ApiError>> + Send + 'static,
    {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|job| job.outcome().is_none() || now.duration_since(job.begun_at) < KEPT);
        let same = |job: &&Arc<Job>| job.wanted.key == wanted.key && job.wanted.by == wanted.by && job.is_followed(now);
        if let Some(job) = jobs.iter().find(same) {
            *job.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Ok(Arc::clone(job));
        }
        if jobs.iter().filter(|job| job.outcome().is_none()).count() >= AT_ONCE {
            let reason = format!("{AT_ONCE} lists or closes are being made already");
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY", reason, "ask again in a minute"));
        }
        let progress = Arc::new(Progress::default());
        let (tell, outcome) = watch::channel(None);
        let id = DeliveryKey::of(&[&wanted.key, &wanted.by, &now.to_string()]).to_string();
        let going_on = work(Arc::clone(&progress));
        tokio::spawn(async move { tell.send_replace(Some(going_on.await)) });
        let job = Arc::new(Job { id, wanted, begun_at: now, asked_at: Mutex::new(now), progress, outcome });
        jobs.push(Arc::clone(&job));
        Ok(job)
    }

    /// A job of somebody; `None`: they have none that is called so.
    pub(super) fn of(&self, by: &str, id: &str) -> Option<Arc<Job>> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().find(|job| job.id == id && job.wanted.by == by).cloned()
    }

    /// What a job came to is kept no longer.
    pub(super) fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|job| job.id != id);
    }
}

/// The answer that carries a file: it is read piece by piece as it is sent.
pub(super) fn sent(file: &Arc<MadeFile>) -> Result<Response, ApiError> {
    let cannot = |error: std::io::Error| ApiError::invalid(format!("the file cannot be read again: {error}"));
    let length = file.content.lock().unwrap_or_else(PoisonError::into_inner).seek(SeekFrom::End(0)).map_err(cannot)?;
    let name = format!("attachment; filename=\"{}\"", file.name);
    let pieces = futures_util::stream::unfold((Arc::clone(file), 0_u64), |(file, from)| async move {
        let piece = piece(&file, from);
        match piece {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => {
                let next = from.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                Some((Ok(piece), (file, next)))
            }
            Err(error) => Some((Err(error), (file, u64::MAX))),
        }
    });
    let heads = [
        (header::CONTENT_TYPE, file.media.to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((heads, Body::from_stream(pieces)).into_response())
}

fn piece(file: &MadeFile, from: u64) -> std::io::Result<Vec<u8>> {
    let mut content = file.content.lock().unwrap_or_else(PoisonError::into_inner);
    content.seek(SeekFrom::Start(from))?;
    let mut piece = Vec::with_capacity(PIECE);
    (&mut *content).take(u64::try_from(PIECE).unwrap_or(u64::MAX)).read_to_end(&mut piece)?;
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn wanted(key: &str, by: &str) -> Wanted {
        Wanted { key: key.into(), title: "The figures of March 2026".into(), by: by.into() }
    }

    async fn begun(jobs: &Jobs, key: &str, by: &str) -> (Arc<Job>, oneshot::Sender<()>) {
        let (go, gone) = oneshot::channel();
        let work = |progress: Arc<Progress>| async move {
            progress.begins(10);
            progress.advances(4);
            let _ = gone.await;
            Ok(Made::Page("/closes/2026-03".into(), "prepared".into()))
        };
        let asked = (wanted(key, by), Duration::ZERO);
        match jobs.done_within(asked, Timestamp::UNIX_EPOCH, work).await.unwrap() {
            Ok(_) => panic!("it is done before anybody let it go on"),
            Err(job) => (job, go),
        }
    }

    #[tokio::test]
    async fn who_asks_again_joins_what_is_being_made_and_is_told_how_far_it_is() {
        let jobs = Jobs::default();
        let (job, go) = begun(&jobs, "close 2026-03", "ann").await;
        tokio::task::yield_now().await;
        assert_eq!(job.stands(), (4, 10));
        assert!(jobs.of("ben", &job.id).is_none(), "it is nobody else's");
        let (again, _) = begun(&jobs, "close 2026-03", "ann").await;
        assert_eq!(again.id, job.id);
        go.send(()).unwrap();
        let asked = (wanted("close 2026-03", "ann"), Duration::from_secs(60));
        let never = |_| async { panic!("it is made twice") };
        assert!(matches!(jobs.done_within(asked, Timestamp::UNIX_EPOCH, never).await, Ok(Ok(Made::Page(..)))));
        assert!(jobs.of("ann", &job.id).is_none(), "what was told is not kept");
    }

    #[tokio::test]
    async fn who_comes_back_later_gets_what_holds_then() {
        let jobs = Jobs::default();
        let (job, go) = begun(&jobs, "/export/queue.csv?", "ann").await;
        go.send(()).unwrap();
        assert!(job.within(Duration::from_secs(60)).await.is_some());
        let later = Timestamp::UNIX_EPOCH + FOLLOWED;
        let asked = (wanted("/export/queue.csv?", "ann"), Duration::from_secs(60));
        let anew = |_| async { Ok(Made::Page("/".into(), "made anew".into())) };
        assert!(
            matches!(jobs.done_within(asked, later, anew).await, Ok(Ok(Made::Page(_, text))) if text == "made anew")
        );
    }

    #[tokio::test]
    async fn no_more_go_on_at_once_than_the_machine_bears_and_a_broken_one_says_so() {
        let jobs = Jobs::default();
        let mut held = Vec::new();
        for number in 0..AT_ONCE {
            held.push(begun(&jobs, &format!("list {number}"), "ann").await);
        }
        let one_more = (wanted("one more", "ann"), Duration::ZERO);
        let never = |_| async { panic!("it is begun") };
        assert!(jobs.done_within(one_more, Timestamp::UNIX_EPOCH, never).await.is_err());
        held.clear();
        let broken = (wanted("broken", "ben"), Duration::from_secs(60));
        let jobs = Jobs::default();
        let work = |_| async { panic!("as if a defect were in it") };
        assert!(jobs.done_within(broken, Timestamp::UNIX_EPOCH, work).await.is_err());
    }
}
