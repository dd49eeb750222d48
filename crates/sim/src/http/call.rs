//! A request, read whole.

use std::collections::{BTreeMap, HashMap};

use axum::{
    body::{Bytes, to_bytes},
    extract::{Query, Request},
    http::{HeaderMap, Uri, header::AUTHORIZATION},
};
use serde_json::Value;

use crate::log::{Outcome, RecordedRequest, fingerprint};

/// The largest body read. A whole conversation with images fits.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// Members of a body that are secrets. In the record they are fingerprints.
const SECRETS: [&str; 5] = ["refresh_token", "access_token", "id_token", "client_secret", "code_verifier"];

pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    /// The body as JSON; null when it is none.
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
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
        })
    }

    /// A header as text; empty when absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The members of the query.
    pub(super) fn query(&self) -> HashMap<String, String> {
        decode_form(self.query.as_deref().unwrap_or_default())
    }

    /// The members of a form body, or the texts of a JSON body.
    pub(super) fn fields(&self) -> HashMap<String, String> {
        match &self.body {
            Value::Object(members) => {
                let texts = members.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
                texts.map(|(name, text)| (name.clone(), text.to_owned())).collect()
            }
            _ => decode_form(std::str::from_utf8(&self.bytes).unwrap_or_default()),
        }
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

fn decode_form(text: &str) -> HashMap<String, String> {
    let uri = Uri::builder().path_and_query(format!("/?{text}")).build();
    let fields = uri.ok().and_then(|uri| Query::try_from_uri(&uri).ok());
    fields.map(|Query(fields)| fields).unwrap_or_default()
}
