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
