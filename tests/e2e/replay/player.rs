//! Plays a recording: says what the client said, and compares what the host says with what was recorded.

use std::collections::HashSet;

use serde_json::Value;
use valet_tests::transcript::{BODY, Bindings, Difference, endpoint, joined, recorded, thread_of};

use super::backend;
use super::deviations::Deviations;
use super::recording::{Line, Recording, What};
use super::stage::{Message, Stage};

/// A difference that is not listed.
pub(super) struct Fault {
    /// The line of the recording.
    pub(super) line: usize,
    pub(super) text: String,
}

/// What a message is, compared with the recorded one.
enum Verdict {
    Same,
    /// The recorded one does not come; this one is for a later line.
    Missing,
    /// This one was not recorded.
    Added,
    Different(Vec<Difference>),
    Other,
}

/// A replay in progress.
pub(super) struct Player {
    stage: Stage,
    bindings: Bindings,
    deviations: Deviations,
    faults: Vec<Fault>,
    concurrent: bool,
    /// Requests of the host that did not come: connection and id.
    not_asked: HashSet<(String, String)>,
    turns: usize,
}

/// Plays a whole recording, and returns what is wrong.
pub(super) async fn play(mut recording: Recording) -> (Vec<Fault>, Deviations) {
    let mut deviations = Deviations::of(&recording.name);
    deviations.reorder(&mut recording.lines);
    let (stage, bindings) = Stage::set(&recording).await;
    let concurrent = recording.is_concurrent();
    let faults = Vec::new();
    let mut player = Player { stage, bindings, deviations, faults, concurrent, not_asked: HashSet::new(), turns: 0 };
    if player.messages(&recording).await {
        player.nothing_else(recording.last()).await;
    }
    player.requests(&recording).await;
    (player.faults, player.deviations)
}

impl Player {
    /// Goes through the lines. False: host and recording parted on the way.
    async fn messages(&mut self, recording: &Recording) -> bool {
        for line in &recording.lines {
            if self.deviations.ends_at().is_some_and(|end| line.number > end) {
                return false;
            }
            match line.what {
                What::Sent => self.send(line),
                What::Called => self.called(line).await,
                What::Told if self.told(line).await => {}
                What::Told => return false,
            }
        }
        true
    }

    fn send(&mut self, line: &Line) {
        let answers = (line.connection.clone(), line.message["id"].to_string());
        if line.message.get("method").is_some() || !self.not_asked.contains(&answers) {
            self.stage.send(&line.connection, self.bindings.fill(&line.message));
        }
    }

    /// Requests of turns are waited for, so that the client does not answer before all were refused.
    async fn called(&mut self, line: &Line) {
        if line.is_turn() {
            self.turns += 1;
            self.stage.turns(self.turns).await;
        }
    }

    /// False: host and recording parted here.
    async fn told(&mut self, line: &Line) -> bool {
        let lane = self.lane(&line.message);
        loop {
            let Some(got) = self.next(&line.connection, &lane, &line.message).await else {
                return self.deviations.is_missing(line) || self.parted(line, "nothing");
            };
            match self.judge(line, &line.message, &got.subject, &got.value) {
                Verdict::Same => return true,
                Verdict::Added => {}
                Verdict::Missing => {
                    self.not_asked.insert((line.connection.clone(), line.message["id"].to_string()));
                    self.stage.put_back(&line.connection, got);
                    return true;
                }
                Verdict::Different(differences) => {
                    self.differ(line, &differences);
                    return true;
                }
                Verdict::Other => return self.parted(line, &got.value.to_string()),
            }
        }
    }

    /// The next message of a lane. Deltas are joined until they are as long as what was recorded.
    async fn next(&mut self, connection: &str, lane: &str, expected: &Value) -> Option<Message> {
        let in_lane = |concurrent, lane: &str, message: &Message| lane_of(concurrent, &message.value) == lane;
        let concurrent = self.concurrent;
        let mut got = self.stage.next(connection, |message| in_lane(concurrent, lane, message)).await?;
        let length = |message: &Value| message["params"]["delta"].as_str().map(str::len);
        while length(&got.value) < length(expected) && length(&got.value).is_some() {
            let Some(more) = self.stage.next(connection, |message| in_lane(concurrent, lane, message)).await else {
                break;
            };
            match joined(&got.value, &more.value) {
                Some(whole) => got.value = whole,
                None => {
                    self.stage.put_back(connection, more);
                    break;
                }
            }
        }
        Some(got)
    }

    fn lane(&self, message: &Value) -> String {
        lane_of(self.concurrent, &self.bindings.fill(message))
    }

    /// Compares a message with a recorded one. What the placeholders stand for is kept if they agree.
    fn judge(&mut self, line: &Line, expected: &Value, subject: &str, got: &Value) -> Verdict {
        let mut left = Vec::new();
        if line.subject == subject {
            let mut bindings = self.bindings.clone();
            let differences = bindings.differences(expected, got);
            left = self.deviations.unlisted(subject, differences, &bindings);
            if left.is_empty() {
                self.bindings = bindings;
                self.deviations.came(line);
                return Verdict::Same;
            }
        }
        if self.deviations.is_missing(line) {
            Verdict::Missing
        } else if self.deviations.is_added(subject) {
            Verdict::Added
        } else if left.is_empty() {
            Verdict::Other
        } else {
            self.bindings.differences(expected, got);
            Verdict::Different(left)
        }
    }

    fn differ(&mut self, line: &Line, differences: &[Difference]) {
        let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        for Difference { at, expected, got } in differences {
            let subject = format!("{}, {at}", line.subject);
            self.fault(line.number, &subject, &show(expected), &show(got));
        }
    }

    fn fault(&mut self, line: usize, subject: &str, expected: &str, got: &str) {
        let text = format!("{subject}\n  expected {expected}\n  got      {}", self.bindings.unfill(got));
        self.faults.push(Fault { line, text });
    }

    fn parted(&mut self, line: &Line, got: &str) -> bool {
        self.fault(line.number, &line.subject, &line.message.to_string(), got);
        false
    }

    /// Whatever comes after the last line was not recorded.
    async fn nothing_else(&mut self, line: usize) {
        for message in self.stage.rest().await {
            if !self.deviations.is_added(&message.subject) {
                self.fault(line, &message.subject, "no more messages", &message.value.to_string());
            }
        }
        let faults = self.stage.faults();
        self.faults.extend(faults.into_iter().map(|text| Fault { line, text }));
    }

    /// Compares the requests to the backend.
    async fn requests(&mut self, recording: &Recording) {
        let mut requests: Vec<Value> =
            self.stage.requests().await.iter().map(|request| recorded(request, &BODY)).collect();
        for line in recording.of(What::Called) {
            self.request(line, &mut requests);
        }
        for request in requests {
            let subject = endpoint(&request);
            if !self.deviations.is_added(&subject) {
                self.fault(recording.last(), &subject, "no more requests", &request.to_string());
            }
        }
    }

    fn request(&mut self, line: &Line, requests: &mut Vec<Value>) {
        let lane = self.lane(&line.message);
        let expected = backend::expected(line);
        while let Some(index) = requests.iter().position(|request| lane_of(self.concurrent, request) == lane) {
            let subject = endpoint(&requests[index]);
            match self.judge(line, &expected, &subject, &requests[index]) {
                Verdict::Missing => return,
                Verdict::Added => {
                    requests.remove(index);
                }
                Verdict::Same => {
                    requests.remove(index);
                    return;
                }
                Verdict::Different(differences) => {
                    requests.remove(index);
                    return self.differ(line, &differences);
                }
                Verdict::Other => {
                    self.parted(line, &requests[index].to_string());
                    return;
                }
            }
        }
        if !self.deviations.is_missing(line) {
            self.parted(line, "no request");
        }
    }
}

/// Within a lane the order is exact. There is one, unless turns run beside each other: then each thread has its
/// own, and so has each answer.
fn lane_of(concurrent: bool, message: &Value) -> String {
    let answer = || message.get("id").filter(|_| message.get("method").is_none()).map(|id| format!("answer {id}"));
    let thread = || thread_of(message).map(str::to_owned);
    if concurrent { thread().or_else(answer).unwrap_or_default() } else { String::new() }
}
