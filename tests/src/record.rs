//! Everything that passed on one connection, and the rules that any such record must keep.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::schema::{Shape, misfit};

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The client.
    ToServer,
    /// The host.
    ToClient,
}

/// The messages of one connection in order.
#[derive(Clone, Debug, Default)]
pub struct Record(Vec<(Direction, Value)>);

impl Record {
    /// Adds a message.
    pub fn push(&mut self, direction: Direction, message: Value) {
        self.0.push((direction, message));
    }

    /// The messages in order.
    pub fn messages(&self) -> &[(Direction, Value)] {
        &self.0
    }

    /// What is wrong with the record; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.misfits();
        faults.extend(self.double_answers());
        faults.extend(self.turn_faults());
        faults
    }

    /// Messages that do not fit the schema.
    fn misfits(&self) -> Vec<String> {
        let mut asked: HashMap<(Direction, String), String> = HashMap::new();
        let mut misfits = Vec::new();
        for (direction, message) in &self.0 {
            let id = message.get("id").map(Value::to_string);
            let method = message.get("method").and_then(Value::as_str);
            let params = message.get("params").unwrap_or(&Value::Null);
            let from_server = *direction == Direction::ToClient;
            let found = match (id, method, message.get("result")) {
                (Some(id), Some(method), _) => {
                    asked.insert((*direction, id), method.to_owned());
                    // What a test sends may be wrong on purpose; what the host sends may not.
                    if from_server { misfit(Shape::ServerParams, method, params) } else { None }
                }
                (None, Some(method), _) if from_server => misfit(Shape::Notification, method, params),
                (Some(id), None, Some(result)) if from_server => {
                    let method = asked.get(&(Direction::ToServer, id));
                    method.and_then(|method| misfit(Shape::ClientResult, method, result))
                }
                _ => None,
            };
            misfits.extend(found);
        }
        misfits
    }

    fn double_answers(&self) -> Vec<String> {
        let mut open: HashMap<String, i32> = HashMap::new();
        let mut faults = Vec::new();
        for (direction, message) in &self.0 {
            let Some(id) = message.get("id").map(Value::to_string) else { continue };
            match (direction, message.get("method")) {
                (Direction::ToServer, Some(_)) => *open.entry(id).or_default() += 1,
                (Direction::ToClient, None) if id != "null" => {
                    let left = open.entry(id.clone()).or_default();
                    *left -= 1;
                    if *left < 0 {
                        faults.push(format!("request {id} was answered once too often"));
                    }
                }
                _ => {}
            }
        }
        faults
    }

    fn turn_faults(&self) -> Vec<String> {
        let mut ended = HashSet::new();
        let mut faults = Vec::new();
        for (_, message) in &self.0 {
            let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
            let params = &message["params"];
            let turn_id = params["turnId"].as_str().or(params["turn"]["id"].as_str());
            let Some(turn_id) = turn_id.filter(|_| message.get("id").is_none()) else { continue };
            // Whoever comes later is told what the last turn has used.
            if ended.contains(turn_id) && method != "thread/tokenUsage/updated" {
                faults.push(format!("{method} was told of turn {turn_id} after its end"));
            }
            if method == "turn/completed" {
                ended.insert(turn_id.to_owned());
            }
        }
        faults
    }
}
