//! A recording as it is replayed: its lines, what each is about, and what it says of the client's tokens.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use valet_tests::transcript::{Asked, endpoint, joined, thread_of};

/// One recording.
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
}

/// One line. Deltas of one item that follow each other are one line, with their texts joined.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) connection: String,
    pub(super) what: What,
    pub(super) message: Value,
    /// The name of the method, or of the endpoint.
    pub(super) subject: String,
    /// The body that the backend answered with, to the letter.
    pub(super) body: Option<String>,
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The client, to the host.
    Sent,
    /// The host, to the client.
    Told,
    /// The host, to the backend; the message holds the response, too.
    Called,
}

/// Whose a token is.
#[derive(Default)]
pub(super) struct TokenUse {
    pub(super) account: String,
    /// How many requests to the model it is good for, where it is refused at some time.
    pub(super) good_for: Option<u64>,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    dir: String,
    #[serde(default)]
    conn: String,
    #[serde(borrow)]
    message: &'a RawValue,
}

#[derive(Deserialize)]
struct RawCall<'a> {
    #[serde(borrow)]
    response: RawResponse<'a>,
}

#[derive(Deserialize)]
struct RawResponse<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Where the recordings are.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

impl Recording {
    pub(super) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))).unwrap();
        let mut lines: Vec<Line> = Vec::new();
        let mut asked: HashMap<String, Asked> = HashMap::new();
        for (number, text) in (1..).zip(text.lines()) {
            let line = Line::read(number, text, &mut asked);
            let before = lines.iter_mut().rev().find(|before| before.connection == line.connection);
            let whole = before.and_then(|before| Some((joined(&before.message, &line.message)?, before)));
            match whole {
                Some((whole, before)) => before.message = whole,
                None => lines.push(line),
            }
        }
        Self { name: name.to_owned(), lines }
    }

    pub(super) fn of(&self, what: What) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.what == what)
    }

    /// The number of the last line.
    pub(super) fn last(&self) -> usize {
        self.lines.last().map_or(0, |line| line.number)
    }

    /// The result of the first `thread/start`.
    pub(super) fn thread_result(&self) -> Option<&Value> {
        let mut results = self.of(What::Told).filter(|line| line.subject == "thread/start");
        results.find_map(|line| line.message.get("result"))
    }

    /// Whether the provider has a key of its own, so that nobody logs in.
    pub(super) fn has_key(&self) -> bool {
        self.of(What::Called).any(|line| line.bearer() == Some("Bearer demo-key"))
    }

    /// Whether turns run beside each other, so that their messages have no order among them.
    pub(super) fn is_concurrent(&self) -> bool {
        let mut running = 0;
        let counts = self.of(What::Told).map(|line| {
            running += match line.subject.as_str() {
                "turn/started" => 1,
                "turn/completed" => -1,
                _ => 0,
            };
            running
        });
        counts.max() > Some(1)
    }

    /// The client's tokens by the number in their placeholder.
    pub(super) fn tokens(&self) -> BTreeMap<String, TokenUse> {
        let mut tokens: BTreeMap<String, TokenUse> = BTreeMap::new();
        for line in self.of(What::Sent) {
            for holder in [&line.message["params"], &line.message["result"]] {
                let token = holder["accessToken"].as_str().and_then(|token| token.strip_prefix("<token-"));
                let Some(token) = token else { continue };
                let account = holder["chatgptAccountId"].as_str().unwrap_or_default().to_owned();
                tokens.entry(format!("token-{}", token.trim_end_matches('>'))).or_default().account = account;
            }
        }
        for (name, token) in &mut tokens {
            let bearer = format!("Bearer <{name}>");
            let calls = self.of(What::Called).filter(|line| line.is_turn() && line.bearer() == Some(&bearer));
            let (refused, good): (Vec<_>, Vec<_>) = calls.partition(|line| line.status() == 401);
            token.good_for = (!refused.is_empty()).then_some(good.len() as u64);
        }
        tokens
    }
}

impl Line {
    fn read(number: usize, text: &str, asked: &mut HashMap<String, Asked>) -> Self {
        let raw: RawLine<'_> = serde_json::from_str(text).unwrap();
        let message: Value = serde_json::from_str(raw.message.get()).unwrap();
        let what = match raw.dir.as_str() {
            "client->server" => What::Sent,
            "server->client" => What::Told,
            _ => What::Called,
        };
        let mut body = None;
        let subject = if what == What::Called {
            let call: RawCall<'_> = serde_json::from_str(raw.message.get()).unwrap();
            body = call.response.body.map(|body| body.get().to_owned());
            endpoint(&message)
        } else {
            asked.entry(raw.conn.clone()).or_default().subject(&message, what == What::Told)
        };
        // Requests to the backend belong to no connection.
        let connection = if what == What::Called { "backend".to_owned() } else { raw.conn };
        Self { number, connection, what, message, subject, body }
    }

    pub(super) fn is_turn(&self) -> bool {
        self.subject == "POST /v1/responses"
    }

    pub(super) fn status(&self) -> u16 {
        self.message["response"]["status"].as_u64().unwrap().try_into().unwrap()
    }

    fn bearer(&self) -> Option<&str> {
        self.message["request"]["headers"]["authorization"].as_str()
    }

    /// The items that a request to the model brings along.
    pub(super) fn input(&self) -> &[Value] {
        self.message["request"]["body"]["input"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The thread that the line is about, where it says so.
    pub(super) fn thread(&self) -> Option<&str> {
        thread_of(&self.message)
    }
}
