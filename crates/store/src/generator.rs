//! Homes full of threads, for tests and benches: small logs as real ones are made, the same for the same seed.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

/// What is talked about, the commonest words first.
const WORDS: &[&str] = &[
    "the",
    "test",
    "fix",
    "file",
    "error",
    "in",
    "build",
    "please",
    "function",
    "change",
    "add",
    "of",
    "module",
    "run",
    "why",
    "does",
    "fail",
    "config",
    "with",
    "server",
    "client",
    "request",
    "parse",
    "log",
    "line",
    "cache",
    "index",
    "query",
    "thread",
    "lock",
    "timeout",
    "retry",
    "token",
    "branch",
    "commit",
    "merge",
    "größe",
    "überprüfen",
    "日本語",
    "パーサー",
    "refactor",
    "latency",
    "buffer",
    "schema",
    "migration",
    "rollback",
    "deploy",
    "pipeline",
    "sandbox",
];

/// What the rarer words are made of.
const SYLLABLES: &[&str] = &[
    "al", "an", "ar", "as", "at", "ba", "be", "bo", "ca", "ce", "co", "da", "de", "di", "do", "el", "en", "er", "es",
    "fa", "fi", "fo", "ga", "ge", "go", "ha", "he", "im", "in", "is", "ka", "ke", "la", "le", "li", "lo", "ma", "me",
    "mi", "mo", "na", "ne", "no", "ol", "on", "or", "pa", "pe", "po", "ra", "re", "ri", "ro", "sa", "se", "si", "so",
    "ta", "te", "ti", "to", "un", "ur", "us", "va", "ve", "vi", "wa", "we", "ya",
];

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// How many threads.
    pub threads: u32,
    /// Another seed makes other threads.
    pub seed: u64,
    /// When the last thread was started.
    pub until: DateTime<Utc>,
    /// Over how many days before that they are spread.
    pub days: u32,
}

/// A thread that was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Its id.
    pub id: String,
    /// A word that nobody says but in this thread.
    pub word: String,
    /// Whether it went into the archive.
    pub archived: bool,
    /// Its file, below the home.
    path: String,
    started: DateTime<Utc>,
    dice: Dice,
}

impl Generator {
    /// Writes the threads into a home. One in a hundred has a name.
    ///
    /// # Errors
    ///
    /// The files cannot be written.
    pub fn write(&self, home: &Path) -> io::Result<()> {
        let halves =
            [0, 1].map(|first| move || (first..self.threads).step_by(2).try_for_each(|n| self.thread(n).write(home)));
        std::thread::scope(|scope| {
            let threads = halves.map(|half| scope.spawn(half));
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("panicked"))))
        })?;
        let names = (0..self.threads).step_by(100).map(|number| {
            let thread = self.thread(number);
            let time = thread.started.to_rfc3339_opts(SecondsFormat::Nanos, true);
            json!({"id": thread.id, "thread_name": format!("Named {}", thread.word), "updated_at": time}).to_string()
                + "\n"
        });
        fs::write(home.join("session_index.jsonl"), names.collect::<String>())
    }

    /// One of the threads, by its number. The higher the number, the later it was started.
    pub fn thread(&self, number: u32) -> Generated {
        let mut dice = Dice(self.seed ^ (u64::from(number) << 32));
        let span = i64::from(self.days) * 86_400_000;
        let back = span * i64::from(self.threads - 1 - number) / i64::from(self.threads);
        let started = self.until - Duration::milliseconds(back);
        let millis = started.timestamp_millis().cast_unsigned();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&dice.any().to_le_bytes());
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string();
        let archived = dice.one_in(50);
        let folder =
            if archived { "archived_sessions".to_owned() } else { started.format("sessions/%Y/%m/%d").to_string() };
        let path = format!("{folder}/rollout-{}-{id}.jsonl", started.format("%Y-%m-%dT%H-%M-%S"));
        Generated { word: format!("needle{number:06}x"), id, archived, path, started, dice }
    }
}

impl Generated {
    fn write(mut self, home: &Path) -> io::Result<()> {
        let path = home.join(&self.path);
        let text = self.text();
        match fs::write(&path, &text) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(home))?;
                fs::write(path, text)
            }
            result => result,
        }
    }

    fn text(&mut self) -> String {
        let mut log = Text { time: self.started, ordinal: 0, text: String::with_capacity(16 << 10) };
        let cwd = format!("/home/somebody/project{}", self.dice.below(200));
        let meta = self.meta(&cwd);
        log.line("session_meta", &meta);
        for turn in 0..=self.dice.below(2) {
            let turn_id = format!("{}-turn-{turn}", self.id);
            let mut question = self.dice.sentence(6, 30);
            if turn == 0 {
                question += &format!(" {}", self.word);
            }
            let answer = self.dice.sentence(20, 200);
            log.line(
                "event_msg",
                &json!({"type": "task_started", "turn_id": turn_id, "model_context_window": 258_400}),
            );
            log.line(
                "turn_context",
                &json!({"turn_id": turn_id, "cwd": cwd, "approval_policy": "on-request",
                "model": "gpt-5.5", "summary": "auto", "effort": "medium"}),
            );
            log.line("response_item", &message("user", "input_text", &question));
            log.line("event_msg", &self.said(&turn_id, "UserMessage", "text", &question));
            for _ in 0..self.dice.below(3) {
                let output = self.dice.sentence(20, 120);
                log.line(
                    "response_item",
                    &json!({"type": "function_call_output", "call_id": "call_1", "output": output}),
                );
            }
            log.line("event_msg", &self.said(&turn_id, "AgentMessage", "Text", &answer));
            log.line("response_item", &message("assistant", "output_text", &answer));
            log.line("event_msg", &json!({"type": "token_count", "info": {"model_context_window": 258_400}}));
            log.line("event_msg", &json!({"type": "task_complete", "turn_id": turn_id, "last_agent_message": answer}));
        }
        log.text
    }

    fn meta(&mut self, cwd: &str) -> Value {
        let source = match self.dice.below(20) {
            0 => json!({"subagent": "review"}),
            1 | 2 => json!("cli"),
            3 => json!("exec"),
            _ => json!("vscode"),
        };
        let provider = if self.dice.one_in(10) { "local" } else { "openai" };
        let account = (!self.dice.one_in(5)).then(|| format!("account-{}", self.dice.below(10)));
        let user = account.as_ref().map(|account| format!("user-of-{account}"));
        json!({"id": self.id, "session_id": self.id, "timestamp": stamp(self.started), "cwd": cwd,
            "originator": "parent_app", "cli_version": "0.169.0", "source": source, "model_provider": provider,
            "base_instructions": {"text": "You help with code. ".repeat(100)}, "history_mode": "paginated",
            "creator_account_id": account, "creator_user_id": user})
    }

    fn said(&self, turn_id: &str, kind: &str, block: &str, text: &str) -> Value {
        json!({"type": "item_completed", "thread_id": self.id, "turn_id": turn_id,
            "item": {"type": kind, "id": "item", "content": [{"type": block, "text": text}]}})
    }
}

fn message(role: &str, kind: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A log in the making. Each line is a second after the one before it.
struct Text {
    time: DateTime<Utc>,
    ordinal: u32,
    text: String,
}

impl Text {
    fn line(&mut self, kind: &str, payload: &Value) {
        let line = json!({"timestamp": stamp(self.time), "ordinal": self.ordinal, "type": kind, "payload": payload});
        self.text += &line.to_string();
        self.text.push('\n');
        self.time += Duration::seconds(1);
        self.ordinal += 1;
    }
}

/// Chance that repeats itself.
#[derive(Clone, Copy, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number less than `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// True once in so many times.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// So many words and perhaps more, common ones more often than rare ones.
    fn sentence(&mut self, least: u64, more: u64) -> String {
        let count = least + self.below(more);
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn word(&mut self) -> String {
        if self.one_in(3) {
            return (0..2 + self.below(3)).map(|_| self.one_of(SYLLABLES)).collect();
        }
        let end = 1 + self.below(WORDS.len() as u64);
        let common = usize::try_from(end).unwrap_or(1);
        self.one_of(&WORDS[..common]).to_owned()
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap_or_default()]
    }
}
