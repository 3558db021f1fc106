//! JSON bodies: a key that stands twice is refused, and every refusal is one of the API's own errors.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use milestoned_mapping::filed::json_tree;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::ApiError;

/// A body of a request or of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "NOT_JSON",
                "the body is not said to be JSON",
                "send Content-Type: application/json",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| {
            ApiError::new(refused.status(), "BODY_NOT_READ", refused.body_text(), "send a smaller body, whole")
        })?;
        let unreadable = |reason: String| {
            ApiError::new(StatusCode::BAD_REQUEST, "NOT_JSON", reason, "send one JSON value that names every key once")
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(error.to_string()))?;
        let tree = json_tree(text).map_err(unreadable)?;
        serde_path_to_error::deserialize(tree).map(Self).map_err(|error| {
            let (path, reason) = (error.path().to_string(), error.inner());
            let message = if path == "." { reason.to_string() } else { format!("{path}: {reason}") };
            ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "INVALID",
                message,
                "correct the named field and send it again",
            )
        })
    }
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
