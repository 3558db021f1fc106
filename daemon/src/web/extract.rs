//! What a request carries beside a JSON body, read so that what cannot be read is told like every other error.

use axum::extract::{FromRequest, FromRequestParts};

use super::problem::ApiError;

/// The parameters behind the question mark.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Parameters<T>(pub T);

/// The encoded parts of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Segments<T>(pub T);

/// A form.
#[derive(FromRequest)]
#[from_request(via(axum::extract::Form), rejection(ApiError))]
pub struct Fields<T>(pub T);

/// A form whose fields may stand several times, in the order in which they were sent.
pub struct Pairs(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Pairs {
    type Rejection = ApiError;
    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, ApiError> {
        let axum::extract::RawForm(bytes) = axum::extract::RawForm::from_request(request, state).await?;
        let pairs = url::form_urlencoded::parse(&bytes);
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}
