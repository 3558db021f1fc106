//! Errors of the API, as RFC 9457 has them: a code for machines, a sentence for people, a remedy. A browser that asked for a
//! page gets one.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection, RawFormRejection};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use milestoned_mapping::problem::Problem;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::agreements::Refusal;
use crate::report::list_file::Unwritten;
use crate::review::acts::Refused;
use crate::review::snapshot::Gathering;
use crate::store::StoreError;

/// Code of an answer that waits for what is being read.
const GATHERING: &str = "GATHERING";

/// The body of every error, `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Always `about:blank`: the status and `code` say which kind of error it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What is wrong, with its place.
    pub detail: String,
    /// Code, such as `ACCEPTANCE_DOCUMENT_REQUIRED`.
    pub code: String,
    /// What to do.
    pub remedy: String,
}

/// An error with its status.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: Arc<ErrorBody>,
}

impl ApiError {
    /// An error.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let body = ErrorBody {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            remedy: remedy.into(),
        };
        Self { status, body: Arc::new(body) }
    }

    /// 404.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} {id:?} is not known"), "check the id")
    }

    /// 503, for the seconds after a start in which contracts are read.
    pub fn gathering(Gathering { read, of }: Gathering) -> Self {
        let detail = format!("figures are being gathered: {read} of {of} contracts are read");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, GATHERING, detail, "look again in a few seconds")
    }

    /// 422.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID", detail, "correct the named field and send it again")
    }
}

/// Marks an answer as an error, so that a browser can be shown a page instead.
#[derive(Clone)]
struct Told(Arc<ErrorBody>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&*self.body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
        if self.body.code == GATHERING {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response.extensions_mut().insert(Told(self.body));
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    error: Arc<ErrorBody>,
}

/// Turns an error into a page where a browser asked for one.
pub async fn as_page(request: Request, next: Next) -> Response {
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let response = next.run(request).await;
    let Some(Told(error)) = response.extensions().get().filter(|_| wants_page).cloned() else { return response };
    let (status, code) = (response.status(), error.code.clone());
    match (ErrorPage { error }).render() {
        // A browser looks again by itself.
        Ok(page) if code == GATHERING => (status, [(header::REFRESH, "2")], Html(page)).into_response(),
        Ok(page) => (status, Html(page)).into_response(),
        Err(_) => response,
    }
}

/// 404 for what is no address of ours.
pub async fn no_such_address(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        format!("there is nothing at {:?}", uri.path()),
        "start at the home page, or see /openapi.json",
    )
}

/// 405 for an address of ours that is called by a method which it has not; `Allow` says which it has.
pub async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("{:?} is not called by {method}", uri.path()),
        "see the header Allow, or /openapi.json",
    )
}

/// Refuses a query of an operation that is described without one. Ignored, `?contract=A` would be answered with everything, and
/// `?as_of=2026-03-31` with what holds now. The other operations name what they do not know themselves.
pub async fn no_such_parameter(State(document): State<Arc<Value>>, request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let method = request.method().as_str().to_lowercase();
    let operation = document.get("paths").and_then(|paths| paths.get(path)).and_then(|methods| methods.get(&method));
    let parameters = operation.and_then(|operation| operation.get("parameters")).and_then(Value::as_array);
    let takes_one =
        parameters.into_iter().flatten().any(|parameter| parameter.get("in").is_some_and(|place| place == "query"));
    if query.is_empty() || operation.is_none() || takes_one {
        return next.run(request).await;
    }
    let detail = format!("{path} has no query parameters, and was asked with {query:?}");
    let remedy = "leave them out; see /openapi.json for the parameters";
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID", detail, remedy).into_response()
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let (status, code, problem) = match refused {
            Refused::Contradicted(problem) => (StatusCode::CONFLICT, "CONTRADICTED", problem),
            Refused::Excluded(problem) => (StatusCode::FORBIDDEN, "SEGREGATION_OF_DUTIES", problem),
            Refused::Invalid(problem) => (StatusCode::UNPROCESSABLE_ENTITY, "INVALID", problem),
            Refused::Missing(problem) => (StatusCode::NOT_FOUND, "NOT_FOUND", problem),
            Refused::Store(error) => return error.into(),
        };
        Self::new(status, code, format!("{}: {}", problem.place, problem.reason), problem.remedy)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Refused::Invalid(problem).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        if let (StoreError::Unattested { .. }, false) = (&error, error.is_outage()) {
            let remedy = "see `milestoned audit verify` and who can write the database, and put a backup back";
            return Self::new(StatusCode::CONFLICT, "NOT_ATTESTED", error.to_string(), remedy);
        }
        if let StoreError::SetAside(_) = &error {
            let remedy = "see `milestoned queue --kind set_aside`; nothing was written";
            return Self::new(StatusCode::CONFLICT, "SET_ASIDE", error.to_string(), remedy);
        }
        let status =
            if error.is_outage() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self::new(status, "STORE_FAILED", error.to_string(), "see the daemon's log; nothing was written")
    }
}

impl From<Unwritten> for ApiError {
    fn from(unwritten: Unwritten) -> Self {
        Self::invalid(format!("the list cannot be written: {unwritten}"))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Invalid(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "INVALID",
                message,
                "correct the named fields and send it again",
            ),
            Refusal::Changed(_) | Refusal::Edited { .. } => Self::new(
                StatusCode::CONFLICT,
                "TERMS_CHANGED",
                message,
                "POST a change order to /v1/contracts/{id}/amendments",
            ),
            Refusal::Refused { .. } => Self::new(
                StatusCode::CONFLICT,
                "ORDER_REFUSED",
                message,
                "POST a change order of another version to /v1/contracts/{id}/amendments",
            ),
            Refusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message, "PUT the contract first"),
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "INVALID", rejection.body_text(), "see /openapi.json for the parameters")
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "INVALID", rejection.body_text(), "encode ids in the address")
    }
}

impl From<RawFormRejection> for ApiError {
    fn from(rejection: RawFormRejection) -> Self {
        Self::new(rejection.status(), "INVALID", rejection.body_text(), "go back to the page and send its form again")
    }
}

impl From<FormRejection> for ApiError {
    fn from(rejection: FormRejection) -> Self {
        Self::new(rejection.status(), "INVALID", rejection.body_text(), "go back to the page and send its form again")
    }
}

/// The refusal of a form that another site sends in somebody's name.
pub(super) fn foreign() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "FOREIGN_FORM",
        "the form was not sent from a page of this address",
        "open the page under the address of http.public_url and send it from there",
    )
}
