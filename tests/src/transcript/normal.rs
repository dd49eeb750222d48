//! The normal form of messages: what differs from run to run, from machine to machine, or is prose, gives way to a
//! placeholder.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regex::{Captures, Regex};
use serde_json::Value;

/// Members whose texts explain something to a model or to people.
const PROSE: [&str; 7] = [
    "description",
    "shortDescription",
    "instructions",
    "baseInstructions",
    "base_instructions",
    "developerInstructions",
    "developer_instructions",
];

/// Texts that are not the same everywhere, and what stands for them.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (
            r"/[0-9]{4}/[0-9]{2}/[0-9]{2}/rollout-[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}",
            "/<yyyy>/<mm>/<dd>/rollout-<time>",
        ),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}[:-][0-9]{2}[:-][0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?", "<time>"),
        (r"(/(?:[0-9]+\.){2}[0-9]+) \([^()]*; [^()]*\) [^ ]+ \(", "$1 (<os>; <arch>) <term> ("),
        (r"(?s)expected one of .*", "expected one of <any>"),
        (r"(?:/usr)?/bin/(?:ba|z|da)?sh -", "<shell> -"),
        (r"Wall time: [0-9.]+ seconds", "Wall time: <n> seconds"),
        (r"Chunk ID: [0-9a-f]+", "Chunk ID: <hex>"),
        (r"sha256:[0-9a-f]{64}", "sha256:<hex>"),
    ];
    patterns.map(|(pattern, stands)| (Regex::new(pattern).expect("a pattern is one"), stands)).into()
});

/// An id, with or without its hyphens.
static UUID: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}";
    Regex::new(pattern).expect("a pattern is one")
});

/// Brings the messages of one run into their normal form. Ids are numbered in the order in which they are met.
pub struct Normaliser {
    /// Values and what stands for them, the longest first.
    known: Vec<(String, String)>,
    /// Texts that were said by the script of the run: they are nobody's prose.
    said: Vec<String>,
    ids: HashMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
    now: Duration,
}

impl Normaliser {
    /// `known`: values of this run, and their placeholders. `said`: all texts of its script.
    pub fn new(mut known: Vec<(String, String)>, said: Vec<String>) -> Self {
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { known, said, ids: HashMap::new(), counts: BTreeMap::new(), now }
    }

    /// A message in its normal form.
    pub fn message(&mut self, message: &Value) -> Value {
        self.value(message, "", "")
    }

    /// A request to the backend, as [`recorded`](super::recorded) gives it: what nobody said is `<prose>`.
    pub fn call(&mut self, call: &Value) -> Value {
        let mut call = self.message(call);
        for item in call.pointer_mut("/request/body/input").and_then(Value::as_array_mut).into_iter().flatten() {
            if item["type"] == "message" && item["role"] != "assistant" {
                let text = item["content"].as_str().unwrap_or_default().trim();
                if !text.is_empty() && !self.said.iter().any(|said| said.contains(text)) {
                    item["content"] = if text.starts_with("<environment_context>") {
                        "<environment-context>".into()
                    } else {
                        "<prose>".into()
                    };
                }
            }
        }
        call
    }

    fn value(&mut self, value: &Value, name: &str, parent: &str) -> Value {
        match value {
            Value::String(_) if PROSE.contains(&name) => "<any>".into(),
            Value::String(_) if name == "serverName" => "<host>".into(),
            Value::String(_) if name.ends_with("Cursor") => "<cursor>".into(),
            Value::String(text) if name == "processId" && text.parse::<u32>().is_ok() => "<pid>".into(),
            Value::String(text) => self.text(text, name, parent).into(),
            Value::Number(_) if name == "durationMs" => "<duration-ms>".into(),
            Value::Number(number) => number.as_u64().and_then(|number| self.time(number)).unwrap_or(value.clone()),
            Value::Array(items) => items.iter().map(|item| self.value(item, name, parent)).collect(),
            Value::Object(members) => {
                let mut normal = serde_json::Map::new();
                // No backend said this total: it was estimated, from a prompt that depends on the machine.
                let estimated = name == "last"
                    && ["inputTokens", "outputTokens"]
                        .iter()
                        .all(|count| members.get(*count).is_some_and(|count| count == 0));
                for (member, value) in members {
                    if estimated && member == "totalTokens" && value != 0 {
                        normal.insert(member.clone(), "<estimate>".into());
                        continue;
                    }
                    let named = self.text(member, "", name);
                    normal.insert(named, self.value(value, member, name));
                }
                Value::Object(normal)
            }
            other => other.clone(),
        }
    }

    /// A number that is a time near now.
    fn time(&self, number: u64) -> Option<Value> {
        let is_near = |now: u128, hours: u128| u128::from(number).abs_diff(now) < hours;
        if is_near(self.now.as_secs().into(), 2 * 3_600) {
            return Some("<s>".into());
        }
        is_near(self.now.as_millis(), 2 * 3_600_000).then(|| "<ms>".into())
    }

    fn text(&mut self, text: &str, name: &str, parent: &str) -> String {
        let mut text = self.known.iter().fold(text.to_owned(), |text, (value, stands)| text.replace(value, stands));
        for (pattern, stands) in &*PATTERNS {
            if pattern.is_match(&text) {
                text = pattern.replace_all(&text, *stands).into_owned();
            }
        }
        if !UUID.is_match(&text) {
            return text;
        }
        let numbered = |found: &Captures<'_>| {
            let place = found.get_match();
            let is_digit = |letter: Option<u8>| letter.is_some_and(|letter| letter.is_ascii_hexdigit());
            let before = text[..place.start()].bytes().next_back();
            let is_longer = is_digit(before) || is_digit(text[place.end()..].bytes().next());
            if is_longer { place.as_str().to_owned() } else { self.id(place.as_str(), kind(name, parent)) }
        };
        UUID.replace_all(&text, numbered).into_owned()
    }

    fn id(&mut self, id: &str, kind: &'static str) -> String {
        if !self.ids.contains_key(id) {
            let count = self.counts.entry(kind).or_default();
            *count += 1;
            self.ids.insert(id.to_owned(), format!("<{kind}-{count}>"));
        }
        self.ids[id].clone()
    }
}

/// Of what an id is, by the member that holds it.
fn kind(name: &str, parent: &str) -> &'static str {
    match (parent, name) {
        ("thread", "id") | (_, "threadId" | "sessionId" | "thread-id" | "session-id") => "thread",
        ("turn", "id") | (_, "turnId" | "rootTurnId") => "turn",
        ("item", "id") | (_, "itemId") => "item",
        (_, "revision") => "revision",
        _ => "id",
    }
}

#[test]
fn the_normal_form_keeps_what_was_said_and_names_the_rest() {
    use serde_json::json;

    let mut normaliser = Normaliser::new(
        vec![("/h".to_owned(), "<home>".to_owned()), ("/h/work".to_owned(), "<cwd>".to_owned())],
        vec!["say hello".to_owned()],
    );
    let id = "0199a213-81c0-7800-8aa1-bbab2a035a53";
    let message = json!({
        "params": { "threadId": id, "words": format!("no {id} in /h/work"), "createdAt": normaliser.now.as_secs() },
        "durationMs": 3, "resets_at": 7, "description": "You are …",
        "last": { "inputTokens": 0, "outputTokens": 0, "totalTokens": 6863 },
        "total": { "inputTokens": 0, "outputTokens": 0, "totalTokens": 258400 },
    });
    let normal = json!({
        "params": { "threadId": "<thread-1>", "words": "no <thread-1> in <cwd>", "createdAt": "<s>" },
        "durationMs": "<duration-ms>", "resets_at": 7, "description": "<any>",
        "last": { "inputTokens": 0, "outputTokens": 0, "totalTokens": "<estimate>" },
        "total": { "inputTokens": 0, "outputTokens": 0, "totalTokens": 258400 },
    });
    assert_eq!(normaliser.message(&message), normal);

    let said =
        |text| json!({ "request": { "body": { "input": [{ "type": "message", "role": "user", "content": text }] } } });
    assert_eq!(normaliser.call(&said("hello")), said("hello"));
    assert_eq!(normaliser.call(&said("You are …")), said("<prose>"));
}
