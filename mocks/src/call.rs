//! A request and an answer, apart from any web server: the models are plain functions from one to the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Json, obj};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path as it was sent, still encoded.
    pub(crate) path: String,
    /// The path cut at `/` and decoded; empty parts are left out.
    pub(crate) segments: Vec<String>,
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// A write that was accepted earlier and lands now: its credentials were checked then.
    pub(crate) trusted: bool,
}

pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code =
            if byte == b'%' { text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()) } else { None };
        match code {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(crate) fn pairs(form: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form).into_owned().collect()
}

impl Call {
    pub(crate) fn new(method: &str, target: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Call {
        let (path, raw_query) = target.split_once('?').unwrap_or((target, ""));
        Call {
            method: method.to_ascii_uppercase(),
            path: path.to_string(),
            segments: path.split('/').filter(|part| !part.is_empty()).map(decode).collect(),
            raw_query: raw_query.to_string(),
            query: pairs(raw_query.as_bytes()),
            headers,
            body,
            trusted: false,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; an empty body is an empty object.
    pub(crate) fn json(&self) -> Result<Json, String> {
        let text = self.text();
        if text.trim().is_empty() {
            return Ok(Json::object());
        }
        Json::parse(&text).map_err(|error| error.to_string())
    }

    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// User and password of a Basic header.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let header = self.header("authorization")?;
        let encoded = header.strip_prefix("Basic ").or_else(|| header.strip_prefix("basic "))?;
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_string(), password.to_string()))
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        let header = self.header("authorization")?;
        header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).map(str::trim)
    }

    /// `METHOD /path` with ids blanked out: the name under which requests are counted.
    pub(crate) fn endpoint(&self) -> String {
        let mut name = self.method.clone();
        name.push(' ');
        for part in &self.segments {
            name.push('/');
            let version =
                part.len() <= 6 && part.starts_with('v') && part[1..].starts_with(|c: char| c.is_ascii_digit());
            let literal = version || part == "oauth2" || part == "2" || part == "3";
            let id = part.starts_with("eid:") || part.contains(|c: char| c.is_ascii_digit());
            name.push_str(if id && !literal { "*" } else { part });
        }
        name
    }

    pub(crate) fn kept(&self) -> Json {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), Json::from(value))).collect();
        let target =
            if self.raw_query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.raw_query) };
        obj! {"method" => &self.method, "target" => target, "headers" => Json::Object(headers), "body" => STANDARD.encode(&self.body)}
    }

    pub(crate) fn restored(kept: &Json) -> Call {
        let headers = kept.get("headers").map_or(&[][..], Json::members);
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.scalar().unwrap_or_default())).collect();
        let body = STANDARD.decode(kept.text("body")).unwrap_or_default();
        Call { trusted: true, ..Call::new(&kept.text("method"), &kept.text("target"), headers, body) }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn json(status: u16, body: &Json) -> Reply {
        Reply::empty(status).header("content-type", "application/json;charset=UTF-8").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }

    /// Sets a header, in place of an earlier one of the same name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_string(), value.into()));
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn as_json(&self) -> Json {
        Json::parse(&self.text()).unwrap_or_default()
    }
}
