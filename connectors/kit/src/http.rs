//! The one HTTP client: rate limit, requests in flight, time-out, size limit, and what follows from each failure.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Origin;

use crate::pace::{Pace, Window};
use crate::scrub::Secrets;
use crate::{Class, Cut, Fault, Platform, Transport};

/// Largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// A short wait that a remote asks for is waited out within the call.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// Tries of a read within one call.
const READS: usize = 3;

/// How a remote may be called. Every connection has these keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests in a time, all windows at once; none: as fast as the remote answers. Absent: the vendor's published
    /// limits.
    #[serde(default)]
    pub windows: Option<Vec<Window>>,
    /// Requests under way at once. Absent: the vendor's published limit.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// How long one request may take.
    #[serde(default = "patience")]
    pub timeout: SignedDuration,
    /// Further certificate authority, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn patience() -> SignedDuration {
    SignedDuration::from_secs(60)
}

impl Default for Limits {
    fn default() -> Self {
        Self { windows: None, in_flight: None, timeout: patience(), ca_file: None }
    }
}

/// What a vendor publishes about how it may be called.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Requests in a time; all hold at once.
    pub windows: &'static [(u32, SignedDuration, Option<&'static str>)],
    /// Requests under way at once.
    pub in_flight: u32,
}

impl Published {
    fn windows(&self) -> Vec<Window> {
        let window = |&(requests, per, calls): &(u32, SignedDuration, Option<&'static str>)| Window {
            requests,
            per,
            calls: calls.map(Into::into),
        };
        self.windows.iter().map(window).collect()
    }
}

/// Whether a request may be repeated without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes nothing there.
    Read,
    /// Changes something; after a lost answer it may have happened.
    Write,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
}

impl Answer {
    /// The error of an OAuth endpoint (RFC 6749, section 5.2); empty where it says none.
    pub fn oauth_error(&self) -> OauthError {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(Into::into)
    }
}

/// Why an OAuth endpoint gave no token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct OauthError {
    /// Code, such as `invalid_client`.
    #[serde(default)]
    pub error: String,
    /// In words.
    #[serde(default)]
    pub error_description: String,
}

impl std::fmt::Display for OauthError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.error.is_empty(), self.error_description.is_empty()) {
            (true, _) => out.write_str("no reason was given"),
            (false, true) => out.write_str(&self.error),
            (false, false) => write!(out, "{}: {}", self.error, self.error_description),
        }
    }
}

/// A client of one remote.
pub struct Client {
    system: String,
    base: Url,
    http: reqwest::Client,
    pace: Pace,
    places: Semaphore,
    platform: Platform,
    request_id: &'static str,
    /// Where requests may go: the remote itself, and addresses of the configuration beside it.
    origins: Vec<Origin>,
    secrets: Secrets,
}

impl Client {
    /// A client of the remote at `base_url`, whose request ids come in the header `request_id` and whose vendor
    /// publishes these limits. Plain HTTP is taken on the loopback address only.
    ///
    /// # Errors
    /// What is wrong with address or certificate.
    pub fn build(
        system: &str,
        base_url: &str,
        request_id: &'static str,
        limits: &Limits,
        published: &Published,
        platform: Platform,
    ) -> Result<Self, String> {
        let base = address("base_url", base_url)?;
        let http = match &platform.transport {
            Some(_) => writer(),
            None => network(limits)?,
        };
        let windows = limits.windows.clone().unwrap_or_else(|| published.windows());
        let pace = Pace::new(&windows).map_err(|reason| format!("limits.windows: {reason}"))?;
        let in_flight = limits.in_flight.unwrap_or(published.in_flight).max(1);
        Ok(Self {
            system: system.into(),
            origins: vec![base.origin()],
            base,
            http,
            pace,
            places: Semaphore::new(usize::try_from(in_flight).unwrap_or(1)),
            platform,
            request_id,
            secrets: Secrets::default(),
        })
    }

    /// The same, which may go to a further address of the configuration, such as `token_url`.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn and(mut self, key: &str, further: &str) -> Result<Self, String> {
        self.origins.push(address(key, further)?.origin());
        Ok(self)
    }

    /// Name of the connection.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.platform.clock.now()
    }

    /// Waits, between two looks at work that the remote does in its own time.
    pub async fn sleep(&self, time: Duration) {
        self.platform.sleep(time).await;
    }

    /// A request to a path below the base address, or to an address of its own.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base.as_str().trim_end_matches('/'))
        };
        self.http.request(method, url)
    }

    /// Sends a read: it is repeated a few times where that may help.
    ///
    /// # Errors
    /// Not reachable, throttled.
    pub async fn read(&self, request: RequestBuilder) -> Result<Answer, Fault> {
        let attempt = || async {
            let request = request
                .try_clone()
                .ok_or_else(|| self.fault(Class::Refused, "the request cannot be repeated", None))?;
            let answer = self.once(request, Kind::Read, None).await?;
            if answer.status.is_server_error() {
                let detail = format!("status {}", answer.status);
                return Err(self
                    .fault(Class::Unreachable, detail, answer.header(self.request_id))
                    .coded(answer.status.as_str()));
            }
            Ok(answer)
        };
        let platform = self.platform.clone();
        let policy = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_jitter()
            .with_max_times(READS.saturating_sub(1));
        attempt
            .retry(policy)
            .sleep(move |time| sleep(platform.clone(), time))
            .when(|fault: &Fault| match fault.class {
                Class::Unreachable => true,
                Class::Throttled { until: Some(until) } => self.now().duration_until(until) <= PATIENCE,
                _ => false,
            })
            .adjust(|fault: &Fault, delay| match (&fault.class, delay) {
                (Class::Throttled { until: Some(until) }, Some(delay)) => {
                    let asked = Duration::try_from(self.now().duration_until(*until)).unwrap_or(delay);
                    Some(delay.max(asked))
                }
                (_, delay) => delay,
            })
            .await
    }

    /// Sends a write, once.
    ///
    /// # Errors
    /// Not reachable (nothing was sent), throttled, or sent and not answered.
    pub async fn write(&self, request: RequestBuilder) -> Result<Answer, Fault> {
        self.write_as(None, request).await
    }

    /// Sends a write of a class of calls that has windows of its own, once.
    ///
    /// # Errors
    /// As [`Client::write`].
    pub async fn write_as(&self, calls: Option<&str>, request: RequestBuilder) -> Result<Answer, Fault> {
        let answer = self.once(request, Kind::Write, calls).await?;
        if answer.status.is_server_error() { Err(self.unanswered(&answer)) } else { Ok(answer) }
    }

    /// The answer of a broken server to a write.
    pub fn unanswered(&self, answer: &Answer) -> Fault {
        let detail = format!("status {}: it may have been carried out", answer.status);
        self.fault(Class::Unanswered, detail, answer.header(self.request_id))
    }

    /// Sends once, and gives every answer, those of a broken server too: some vendors say in them that nothing was
    /// carried out.
    ///
    /// # Errors
    /// Not reachable, throttled, or a write that was sent and not answered.
    pub async fn once(&self, request: RequestBuilder, kind: Kind, calls: Option<&str>) -> Result<Answer, Fault> {
        let (answer, body) = self.exchanged(request, kind, calls).await?;
        let body = String::from_utf8(body)
            .map_err(|_| self.fault(Class::Misunderstood, "the answer is not UTF-8", answer.header(self.request_id)))?;
        Ok(Answer { body, ..answer })
    }

    /// Sends a read once whose answer is a file. What is no success has its words in the body of the answer.
    ///
    /// # Errors
    /// Not reachable, throttled.
    pub async fn file(&self, request: RequestBuilder) -> Result<(Answer, Vec<u8>), Fault> {
        let (answer, bytes) = self.exchanged(request, Kind::Read, None).await?;
        if answer.status.is_success() {
            return Ok((answer, bytes));
        }
        Ok((Answer { body: String::from_utf8_lossy(&bytes).into_owned(), ..answer }, Vec::new()))
    }

    /// Sends once; the body stands beside the answer.
    async fn exchanged(
        &self,
        request: RequestBuilder,
        kind: Kind,
        calls: Option<&str>,
    ) -> Result<(Answer, Vec<u8>), Fault> {
        self.pace.wait(calls, |time| self.sleep(time)).await;
        let _place =
            self.places.acquire().await.map_err(|_| self.fault(Class::Unreachable, "the client is closed", None))?;
        let request = self.checked(request)?;
        let (status, mut headers, body) = match &self.platform.transport {
            Some(transport) => self.carried(transport.as_ref(), request, kind).await?,
            None => {
                let lost = |error: reqwest::Error| {
                    let sent = !error.is_connect() && !error.is_builder();
                    self.fault(lost(kind, sent), describe(&error), None)
                };
                let response = self.http.execute(request).await.map_err(lost)?;
                let (status, headers) = (response.status(), response.headers().clone());
                (status, headers, self.body(response, kind).await?)
            }
        };
        // It is kept with what was written, and shown to people.
        if let Some(id) = headers.get_mut(self.request_id) {
            let told = id.to_str().map(|text| self.secrets.told(text)).unwrap_or_default();
            *id = HeaderValue::from_str(&told).unwrap_or(HeaderValue::from_static(""));
        }
        let answer = Answer { status, headers, body: String::new() };
        // A write may have been carried out by a server that is "unavailable", also by one that says until when.
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE && kind == Kind::Read;
        if status == StatusCode::TOO_MANY_REQUESTS || (unavailable && answer.headers.contains_key(RETRY_AFTER)) {
            let until = self.retry_at(&answer);
            let reason = answer.header("ratelimit-reason").map(|reason| format!(" ({reason})")).unwrap_or_default();
            return Err(self.fault(
                Class::Throttled { until },
                format!("status {status}{reason}"),
                answer.header(self.request_id),
            ));
        }
        Ok((answer, body))
    }

    /// A request that goes where it may: whatever an answer or a cursor says, credentials go nowhere else.
    fn checked(&self, request: RequestBuilder) -> Result<Request, Fault> {
        let request = request.build().map_err(|error| self.fault(Class::Refused, describe(&error), None))?;
        if !self.origins.contains(&request.url().origin()) {
            let elsewhere = request.url().origin().ascii_serialization();
            return Err(self.fault(Class::Refused, format!("{elsewhere} is no address of this remote"), None));
        }
        self.secrets.learn_from(&request);
        Ok(request)
    }

    /// The answer that a transport brings.
    async fn carried(
        &self,
        transport: &dyn Transport,
        request: Request,
        kind: Kind,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Fault> {
        let mut plain = ::http::Request::builder().method(request.method()).uri(request.url().as_str());
        for (name, value) in request.headers() {
            plain = plain.header(name, value);
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).map(Bytes::copy_from_slice).unwrap_or_default();
        let plain = plain.body(body).map_err(|error| self.fault(Class::Refused, error.to_string(), None))?;
        let response = transport
            .carry(plain)
            .await
            .map_err(|cut| self.fault(lost(kind, cut == Cut::NoAnswer), cut.to_string(), None))?;
        let (parts, body) = response.into_parts();
        Ok((parts.status, parts.headers, body.to_vec()))
    }

    async fn body(&self, mut response: reqwest::Response, kind: Kind) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(|error| self.fault(lost(kind, true), describe(&error), None))?;
            let Some(chunk) = chunk else { break };
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_LIMIT {
                return Err(self.fault(Class::Misunderstood, "the answer is larger than 32 MiB", None));
            }
        }
        Ok(bytes)
    }

    /// When the remote wants to be asked again: `Retry-After` in seconds or as a date, or `X-RateLimit-Reset`.
    fn retry_at(&self, answer: &Answer) -> Option<Timestamp> {
        let after = answer.header("retry-after").and_then(|text| match text.parse::<i64>() {
            Ok(seconds) => self.now().checked_add(SignedDuration::from_secs(seconds)).ok(),
            Err(_) => jiff::fmt::rfc2822::parse(&text).ok().map(|zoned| zoned.timestamp()),
        });
        after.or_else(|| answer.header("x-ratelimit-reset").and_then(|text| text.parse().ok()))
    }

    /// A fault of this remote. What it said is told without the secrets that it was shown, and in a few lines.
    pub fn fault(&self, class: Class, detail: impl Into<String>, request_id: Option<String>) -> Fault {
        let detail = self.secrets.told(&detail.into());
        let request_id = request_id.map(|id| self.secrets.told(&id));
        Fault { system: self.system.clone(), class, detail, code: None, request_id }
    }

    /// What a refused request comes to, by its status; `said` is the remote's own reason.
    pub fn refusal(&self, answer: &Answer, said: impl Into<String>) -> Fault {
        let class = match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Class::Unauthorised,
            _ => Class::Refused,
        };
        let elsewhere = answer.header("location").filter(|_| answer.status.is_redirection());
        let elsewhere = elsewhere.and_then(|address| Url::parse(&address).ok());
        let said = match elsewhere.map(|address| address.origin().ascii_serialization()) {
            Some(origin) => format!("it leads to {origin}, where credentials are not sent: is that its address now?"),
            None => said.into(),
        };
        let detail = format!("status {}: {said}", answer.status.as_u16());
        self.fault(class, detail, answer.header(self.request_id)).coded(answer.status.as_str())
    }

    /// A sign-in that brought no session; `said` is why, where the credentials are to blame. A remote that is away, or has
    /// too much to do, says nothing about them: it is waited for. Nothing else was sent in either case.
    pub fn unsigned(&self, answer: &Answer, said: impl Into<String>) -> Fault {
        let away = answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
        let (class, said) = match away {
            true => (Class::Unreachable, "the sign-in was not answered".to_owned()),
            false => (Class::Unauthorised, said.into()),
        };
        let detail = format!("status {}: {said}", answer.status.as_u16());
        self.fault(class, detail, answer.header(self.request_id))
    }

    /// An answer that cannot be read.
    pub fn garbage(&self, answer: &Answer, reason: impl std::fmt::Display) -> Fault {
        self.fault(Class::Misunderstood, format!("{reason}"), answer.header(self.request_id))
    }
}

async fn sleep(platform: Platform, time: Duration) {
    platform.sleep(time).await;
}

/// The client of the network.
fn network(limits: &Limits) -> Result<reqwest::Client, String> {
    let timeout = Duration::try_from(limits.timeout).map_err(|error| format!("limits.timeout: {error}"))?;
    let mut builder = reqwest::Client::builder()
        .timeout(timeout)
        .user_agent(concat!("milestoned/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &limits.ca_file {
        let pem = std::fs::read(file).map_err(|error| format!("limits.ca_file: {}: {error}", file.display()))?;
        let certificate = reqwest::Certificate::from_pem(&pem).map_err(|error| format!("limits.ca_file: {error}"))?;
        builder = builder.tls_certs_merge([certificate]);
    }
    builder.build().map_err(|error| format!("the HTTP client cannot be built: {error}; install ca-certificates"))
}

/// A client that only writes requests, of which there need be no more than one: the transport sends them.
fn writer() -> reqwest::Client {
    static WRITER: OnceLock<reqwest::Client> = OnceLock::new();
    WRITER.get_or_init(reqwest::Client::new).clone()
}

/// What a request without an answer comes to.
fn lost(kind: Kind, sent: bool) -> Class {
    match kind {
        Kind::Write if sent => Class::Unanswered,
        Kind::Read | Kind::Write => Class::Unreachable,
    }
}

/// The innermost reason; the outer ones repeat the address. Who cannot be reached is named.
fn describe(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    match error.url().filter(|_| error.is_connect()).map(|url| url.origin().ascii_serialization()) {
        Some(origin) => format!("no connection to {origin}: {source}"),
        None => source.to_string(),
    }
}

/// An address of the configuration. Plain HTTP is for this machine: what goes there can be read on the way.
fn address(key: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{key}: {text:?}: {error}"))?;
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        _ => Err(format!("{key}: {text:?} must be https (http is for this machine only)")),
    }
}
