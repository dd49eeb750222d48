//! What a scenario is: the data of its file. `tests/scenarios/README.md` describes it for people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use valet_sim::Script;

/// A file `tests/scenarios/<page>/<name>.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows, in a sentence.
    pub(crate) says: String,
    /// Merged over the configuration that all scenarios share; null removes a member.
    #[serde(default)]
    pub(crate) config: Map<String, Value>,
    /// The sim's script.
    #[serde(default)]
    pub(crate) backend: Script,
    #[serde(default)]
    pub(crate) transport: Transport,
    /// More arguments for the host.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// More variables of the host's environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Turns run beside each other: the order is exact for each thread only.
    #[serde(default)]
    pub(crate) concurrent: bool,
    /// Notifications, answers by name, or `"METHOD /path"` of the backend, whose place among the others varies.
    #[serde(default)]
    pub(crate) floating: Vec<String>,
    /// `METHOD /path` of requests to the backend that are made at some times and not at others. Not those of turns.
    #[serde(default)]
    pub(crate) varying: Vec<String>,
    /// The order of the members of each message counts.
    #[serde(default)]
    pub(crate) member_order: bool,
    pub(crate) steps: Vec<Step>,
    /// `page/name`.
    #[serde(skip)]
    pub(crate) name: String,
    /// The texts that the file holds.
    #[serde(skip)]
    pub(crate) texts: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Transport {
    #[default]
    Stdio,
    Websocket,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Step {
    Request(Request),
    Send(Send),
    Text(Text),
    Until(Until),
    Answer(Answer),
    Issue(Issue),
    Expire(String),
    Script(Box<Script>),
    Arrived(usize),
    Write(Write),
    Read(String),
    Connect(Connect),
    Close(String),
    Http(Http),
    /// Opens an address as a browser does.
    Browse(String),
    Signal(Signal),
    /// Closes stdin, if that is the transport, and waits for the host's end.
    End,
    /// Ends the host, and starts it again in the same places.
    Restart,
    /// Milliseconds.
    Pause(u64),
    Play(String),
}

/// What the host is sent.
#[derive(Clone, Copy, Deserialize)]
pub(crate) enum Signal {
    #[serde(rename = "TERM")]
    Terminate,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) params: Option<Value>,
    /// Its id and name; the method if absent.
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    #[serde(default = "main")]
    pub(crate) on: String,
    /// Does not wait for the answer.
    #[serde(default)]
    pub(crate) later: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    pub(crate) message: Value,
    #[serde(default = "main")]
    pub(crate) on: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    pub(crate) text: String,
    #[serde(default = "main")]
    pub(crate) on: String,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Until {
    Method(String),
    Message(UntilMessage),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UntilMessage {
    pub(crate) message: Value,
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    #[serde(default = "main")]
    pub(crate) on: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// The method of the host's request.
    pub(crate) method: String,
    /// Part of its params.
    #[serde(rename = "where")]
    pub(crate) params: Option<Value>,
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    #[serde(default = "main")]
    pub(crate) on: String,
    pub(crate) result: Option<Value>,
    pub(crate) error: Option<Value>,
    /// Waits for none, and answers each from now on.
    #[serde(default)]
    pub(crate) always: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Issue {
    #[serde(rename = "as")]
    pub(crate) name: String,
    pub(crate) account: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) uses: Option<u64>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    /// `home/...` or `cwd/...`.
    pub(crate) file: String,
    pub(crate) text: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    #[serde(rename = "as")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default = "root")]
    pub(crate) path: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

fn main() -> String {
    "main".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

/// Where the scenarios are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

/// Reads a JSON file of the folder.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The names of all scenarios, `page/name`, in order.
pub(crate) fn names() -> Vec<String> {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.collect::<Vec<_>>()
    };
    let is_page = |page: &PathBuf| page.is_dir() && !page.ends_with("parts") && !page.ends_with("recorded");
    let files = entries(&folder()).into_iter().filter(is_page).flat_map(|page| entries(&page));
    let mut names: Vec<String> = files.filter_map(|file| name_of(&file, "json")).collect();
    names.sort();
    names
}

/// `page/name` of a file with this extension.
pub(crate) fn name_of(file: &Path, extension: &str) -> Option<String> {
    let page = file.parent()?.file_name()?.to_str()?;
    let name = file.file_stem()?.to_str().filter(|_| file.extension().is_some_and(|is| is == extension))?;
    Some(format!("{page}/{name}"))
}

impl Scenario {
    pub(crate) fn load(name: &str) -> Result<Self, String> {
        let file = folder().join(format!("{name}.json"));
        let mut scenario: Self = read(&file)?;
        scenario.name = name.to_owned();
        collect_texts(&read(&file)?, &mut scenario.texts);
        let mut steps = Vec::new();
        for step in std::mem::take(&mut scenario.steps) {
            scenario.expand(step, &mut steps)?;
        }
        scenario.steps = steps;
        Ok(scenario)
    }

    /// Puts the steps of a part in the place of the step that plays it.
    fn expand(&mut self, step: Step, steps: &mut Vec<Step>) -> Result<(), String> {
        let Step::Play(part) = step else {
            steps.push(step);
            return Ok(());
        };
        let file = folder().join("parts").join(format!("{part}.json"));
        collect_texts(&read(&file)?, &mut self.texts);
        read::<Vec<Step>>(&file)?.into_iter().try_for_each(|step| self.expand(step, steps))
    }
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect_texts(member, texts)),
        _ => {}
    }
}
