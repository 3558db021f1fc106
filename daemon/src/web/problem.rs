//! Errors of the API: a code for machines, a sentence for people, a remedy.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::agreements::Refusal;
use crate::store::StoreError;

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Code, such as `ACCEPTANCE_DOCUMENT_REQUIRED`.
    pub code: String,
    /// What is wrong, with its place.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// An error with its status.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// An error.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { code: code.into(), message: message.into(), remedy: remedy.into() } }
    }

    /// 404.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} {id:?} is not known"), "check the id")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        let status =
            if error.is_outage() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self::new(status, "STORE_FAILED", error.to_string(), "see the daemon's log; nothing was written")
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
            Refusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message, "PUT the contract first"),
            Refusal::Store(error) => error.into(),
        }
    }
}
