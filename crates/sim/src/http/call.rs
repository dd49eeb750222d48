//! A request, read whole.

use std::collections::{BTreeMap, HashMap};

use axum::{
    body::{Bytes, to_bytes},
    extract::Request,
    http::{
        HeaderMap,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::log::{Outcome, RecordedRequest, fingerprint};

/// The largest body read. A whole conversation with images fits.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// Members of a body that are secrets. In the record they are fingerprints.
const SECRETS: [&str; 7] =
    ["refresh_token", "access_token", "id_token", "client_secret", "code", "code_verifier", "token"];

pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    /// The body, JSON or the members of a form; null when it is neither.
    pub(super) body: Value,
    pub(super) bearer: Option<String>,
}

impl Call {
    pub(super) async fn read(request: Request) -> Result<Self, String> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|error| error.to_string())?;
        Ok(Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(ToOwned::to_owned),
            bearer: bearer(&parts.headers),
            body: decode_body(&parts.headers, &bytes),
            headers: parts.headers,
            bytes,
        })
    }

    /// A header as text; empty when absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The members of the query.
    pub(super) fn query(&self) -> HashMap<String, String> {
        form_urlencoded::parse(self.query.as_deref().unwrap_or_default().as_bytes()).into_owned().collect()
    }

    /// The members of the body that are texts.
    pub(super) fn fields(&self) -> HashMap<String, String> {
        let members = self.body.as_object().into_iter().flatten();
        members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// This request, as it has just arrived.
    pub(super) fn record(&self) -> RecordedRequest {
        let mut body = self.body.clone();
        for name in SECRETS {
            if let Some(Value::String(secret)) = body.get_mut(name) {
                *secret = fingerprint(secret);
            }
        }
        RecordedRequest {
            seq: 0,
            method: self.method.clone(),
            path: match &self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.clone(),
            },
            headers: header_map(&self.headers),
            body,
            status: None,
            outcome: Outcome::Pending,
            rule: None,
            bearer: self.bearer.clone(),
        }
    }
}

/// Repeated headers are joined as HTTP allows; `authorization` is left out.
fn header_map(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut map = BTreeMap::<String, String>::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != AUTHORIZATION) {
        let value = String::from_utf8_lossy(value.as_bytes());
        map.entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    map
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// JSON under any name, since command line tools call all that they send a form.
fn decode_body(headers: &HeaderMap, bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_form = kind.starts_with("application/x-www-form-urlencoded");
        let members = form_urlencoded::parse(if is_form { bytes } else { &[] });
        let members: Map<_, _> = members.map(|(name, value)| (name.into_owned(), Value::from(value))).collect();
        if members.is_empty() { Value::Null } else { members.into() }
    })
}
