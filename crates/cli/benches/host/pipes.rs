//! A host without a client that would have to read what it says: what comes is counted, line by line. This costs next to
//! nothing, so that the client is no bottleneck where the host's speed is measured.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::program::Program;

/// The pipes of a host that has answered `initialize`.
pub(crate) struct Pipes {
    child: std::process::Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Pipes {
    pub(crate) fn start(program: &Program, home: &Path) -> anyhow::Result<Self> {
        let mut child = program.command(home, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = BufReader::with_capacity(1 << 20, child.stdout.take().context("a pipe")?);
        let mut pipes = Self { child, stdout };
        let client = json!({ "name": "bench", "version": "1.0" });
        pipes.ask("initialize", &json!({ "clientInfo": client, "capabilities": { "experimentalApi": true } }))?;
        Ok(pipes)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks, and returns the line that answers.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> anyhow::Result<String> {
        self.write(&line(method, params))?;
        let (id, mut line) = (format!("\"id\":\"{method}\""), Vec::new());
        while !contains(head(&line), id.as_bytes()) {
            self.read(&mut line)?;
        }
        Ok(String::from_utf8(line)?)
    }

    pub(crate) fn thread(&mut self) -> anyhow::Result<String> {
        let answer: Value = serde_json::from_str(&self.ask("thread/start", &json!({}))?)?;
        Ok(answer["result"]["thread"]["id"].as_str().context("a thread")?.to_owned())
    }

    /// Runs a turn to its end; returns its time, and how many deltas came.
    pub(crate) fn turn(&mut self, thread: &str) -> anyhow::Result<(Duration, u32)> {
        let input = json!([{ "type": "text", "text": "a question" }]);
        let begin = Instant::now();
        self.write(&line("turn/start", &json!({ "threadId": thread, "input": input })))?;
        let (mut deltas, mut line) = (0, Vec::new());
        loop {
            self.read(&mut line)?;
            if contains(head(&line), b"item/agentMessage/delta") {
                deltas += 1;
            } else if contains(head(&line), b"turn/completed") {
                let time = begin.elapsed();
                ensure!(contains(&line, b"\"status\":\"completed\""), "a turn failed");
                return Ok((time, deltas));
            }
        }
    }

    /// Asks so many times, of which so many are unanswered at any time. Returns how long it took. Nothing but answers
    /// may come.
    pub(crate) fn flood(&mut self, method: &str, count: usize, in_flight: usize) -> anyhow::Result<Duration> {
        let line = line(method, &json!({}));
        let (mut asked, mut answered) = (in_flight, 0);
        let begin = Instant::now();
        self.write(&line.repeat(in_flight))?;
        while answered < count {
            let came = self.stdout.fill_buf()?;
            ensure!(!came.is_empty(), "the host ended");
            let (size, lines) = (came.len(), came.iter().filter(|byte| **byte == b'\n').count());
            self.stdout.consume(size);
            answered += lines;
            let more = lines.min(count - asked);
            asked += more;
            self.write(&line.repeat(more))?;
        }
        Ok(begin.elapsed())
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.child.stdin.as_ref().context("a pipe")?.write_all(text.as_bytes())?)
    }

    /// Reads the next line in the place of what is there.
    fn read(&mut self, line: &mut Vec<u8>) -> anyhow::Result<()> {
        line.clear();
        ensure!(self.stdout.read_until(b'\n', line)? > 0, "the host ended");
        Ok(())
    }
}

/// A request whose id is the name of its method.
fn line(method: &str, params: &Value) -> String {
    format!("{}\n", json!({ "id": method, "method": method, "params": params }))
}

/// Where the names of methods and the ids are.
fn head(line: &[u8]) -> &[u8] {
    &line[..line.len().min(100)]
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

impl Drop for Pipes {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
