//! What a scenario showed, in normal form: lanes of messages. Within a lane the order is exact.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use valet_sim::RecordedRequest;
use valet_tests::transcript::{BODY, Normaliser, endpoint, joined, recorded, thread_of};

use crate::scenario::{Scenario, folder};
use crate::stage::{FENCE, Stage};

/// Notifications whose place among the others varies from run to run, whatever the scenario.
const FLOATING: [&str; 0] = [];

/// Members of requests to the model that are compared: those of the recordings, and the form of the output.
const MEMBERS: [&str; 1] = ["text"];

#[derive(Clone, Default)]
pub(crate) struct Transcript(pub(crate) BTreeMap<String, Vec<Entry>>);

/// One message, or something that a step saw.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The method of a request, of a notification, or of the request that is answered; `METHOD /path` of the backend.
    pub(crate) of: String,
    pub(crate) message: Value,
}

#[derive(Serialize, Deserialize)]
struct RecordedEntry {
    lane: String,
    #[serde(flatten)]
    entry: Entry,
}

/// The values of a run, and the placeholders for them.
pub(crate) fn known(stage: &Stage<'_>) -> Vec<(String, String)> {
    let places = &stage.places;
    let mut known = vec![
        (places.home.path().to_str().unwrap().to_owned(), "<home>".to_owned()),
        (places.cwd.path().to_str().unwrap().to_owned(), "<cwd>".to_owned()),
        (stage.sim.origin(), "<backend>".to_owned()),
    ];
    known.extend(stage.tokens.iter().map(|(name, token)| (token.access_token.clone(), format!("<token {name}>"))));
    // Tokens that the host got by itself.
    for bearer in stage.sim.requests().into_iter().filter_map(|request| request.bearer) {
        let is_written = stage.scenario.texts.contains(&bearer);
        if bearer.starts_with("ey") && !is_written && !known.iter().any(|(value, _)| *value == bearer) {
            let place = format!("<token of the host, {}>", known.len() - stage.tokens.len() - 2);
            known.push((bearer, place));
        }
    }
    let messages = stage.connections.iter().flat_map(|line| &line.connection.came);
    for address in messages.filter_map(|came| came.value["result"]["authUrl"].as_str()) {
        let address = reqwest::Url::parse(address).unwrap();
        let secrets = address.query_pairs().filter(|(name, _)| ["state", "code_challenge"].contains(&name.as_ref()));
        known.extend(secrets.map(|(name, value)| (value.into_owned(), format!("<{name}>"))));
    }
    known
}

impl Entry {
    /// Two entries are compared if their keys are the same.
    pub(crate) fn key(&self) -> String {
        let message = &self.message;
        let answer = message.get("id").filter(|_| message.get("method").is_none());
        let item = message["params"]["item"]["type"].as_str().unwrap_or_default();
        let status = &message["response"]["status"];
        match answer {
            Some(id) => format!("{} {id}", self.of),
            None => format!("{} {item}{status}", self.of),
        }
    }
}

impl Transcript {
    pub(crate) fn of(stage: &mut Stage<'_>) -> Self {
        let scenario = stage.scenario;
        let mut normaliser = Normaliser::new(known(stage), scenario.texts.clone());
        let mut transcript = Self::default();
        let mut opened: BTreeMap<String, u32> = BTreeMap::new();
        for line in &mut stage.connections {
            let times = opened.entry(line.name.clone()).or_default();
            *times += 1;
            let name = if *times == 1 { line.name.clone() } else { format!("{}, {times}", line.name) };
            for came in &line.connection.came {
                if is_left_out(&came.value) {
                    continue;
                }
                let of = line.asked.subject(&came.value, true);
                let mut message = normaliser.message(&came.value);
                let lane = lane(scenario, &name, &of, &message);
                if scenario.member_order {
                    message["memberOrder"] = json!(came.order);
                }
                transcript.push(lane, Entry { of, message });
            }
        }
        transcript.add_backend(scenario, &stage.sim.requests(), &mut normaliser);
        for seen in &stage.seen {
            let of = seen.as_object().and_then(|seen| seen.keys().next()).cloned().unwrap_or_default();
            transcript.push("steps".to_owned(), Entry { of, message: normaliser.message(seen) });
        }
        transcript
    }

    fn push(&mut self, lane: String, entry: Entry) {
        let entries = self.0.entry(lane).or_default();
        match entries.last_mut().and_then(|last| Some((joined(&last.message, &entry.message)?, last))) {
            Some((whole, last)) => last.message = whole,
            None => entries.push(entry),
        }
    }

    /// Requests to the model in order; of the others, which were made at all.
    fn add_backend(&mut self, scenario: &Scenario, requests: &[RecordedRequest], normaliser: &mut Normaliser) {
        let members = [&BODY[..], &MEMBERS].concat();
        let mut others: BTreeSet<(String, String)> = BTreeSet::new();
        for request in requests {
            let mut call = recorded(request, &members);
            call["request"]["path"] = request.path_only().into();
            let call = normaliser.call(&call);
            let of = endpoint(&call);
            if request.is_turn() {
                self.push(lane(scenario, "backend", &of, &call), Entry { of, message: call });
            } else if !scenario.varying.contains(&of) {
                let headers = &call["request"]["headers"];
                let credential =
                    json!({ "authorization": headers["authorization"], "account": headers["chatgpt-account-id"] });
                others.insert((of, json!({ "request": credential, "response": call["response"] }).to_string()));
            }
        }
        for (of, message) in others {
            let message = serde_json::from_str(&message).unwrap();
            self.push("backend, others".to_owned(), Entry { of, message });
        }
    }

    pub(crate) fn read(name: &str) -> Result<Self, String> {
        let file = folder().join("recorded").join(format!("{name}.jsonl"));
        let text = std::fs::read_to_string(&file).map_err(|_| {
            "there is no recording yet: `UPDATE_RECORDINGS=1 just differential NAME` makes it, where the reference is"
        })?;
        let mut transcript = Self::default();
        for line in text.lines() {
            let RecordedEntry { lane, entry } = serde_json::from_str(line).map_err(|error| error.to_string())?;
            transcript.0.entry(lane).or_default().push(entry);
        }
        Ok(transcript)
    }

    pub(crate) fn write(&self, name: &str) {
        let file = folder().join("recorded").join(format!("{name}.jsonl"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut text = String::new();
        for (lane, entries) in &self.0 {
            for entry in entries {
                let recorded = RecordedEntry { lane: lane.clone(), entry: entry.clone() };
                text += &serde_json::to_string(&recorded).unwrap();
                text.push('\n');
            }
        }
        std::fs::write(file, text).unwrap();
    }

    /// Texts that are long and were not said by the scenario: they may be the reference's prose.
    pub(crate) fn prose<'a>(&'a self, scenario: &Scenario) -> Vec<&'a str> {
        fn long<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::String(text) if text.len() > 400 => found.push(text),
                Value::Array(items) => items.iter().for_each(|item| long(item, found)),
                Value::Object(members) => members.values().for_each(|member| long(member, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        self.0.values().flatten().for_each(|entry| long(&entry.message, &mut found));
        found.retain(|text| {
            !scenario.texts.iter().any(|said| said.contains(*text) || text.contains(said.as_str()) && said.len() > 100)
        });
        found
    }

    /// The subjects, for people.
    pub(crate) fn brief(&self) -> String {
        let lanes = self.0.iter().map(|(lane, entries)| {
            let entries: Vec<_> = entries.iter().map(|entry| format!("    {} {}", entry.of, entry.message)).collect();
            format!("  [{lane}]\n{}", entries.join("\n"))
        });
        lanes.collect::<Vec<_>>().join("\n")
    }
}

/// Answers that only tell that the host has caught up, and what the recording machine has not installed.
fn is_left_out(message: &Value) -> bool {
    let is_fence = message["id"].as_str().is_some_and(|id| id.starts_with(FENCE));
    let summary = message["params"]["summary"].as_str().unwrap_or_default();
    is_fence || message["method"] == "configWarning" && summary.contains("bubblewrap")
}

fn lane(scenario: &Scenario, connection: &str, of: &str, message: &Value) -> String {
    let answer = message["id"].as_str().filter(|_| message.get("method").is_none());
    let name = answer.unwrap_or(of);
    if FLOATING.contains(&name) || scenario.floating.iter().any(|floating| floating == name) {
        return format!("{connection}, {name}");
    }
    match (scenario.concurrent, thread_of(message), answer) {
        (true, Some(thread), _) => format!("{connection}, {thread}"),
        (true, None, Some(answer)) => format!("{connection}, {answer}"),
        _ => connection.to_owned(),
    }
}
