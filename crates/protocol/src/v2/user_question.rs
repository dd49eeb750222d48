//! Questions that the model puts to a person.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `item/tool/requestUserInput`: the model asks a person. Only in plan mode; experimental.
///
/// Goes to all subscribers of the thread; the first answer counts. The thread waits as `waitingOnUserInput`.
/// An error, or an answer that does not fit the type, is told to the model as no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ToolRequestUserInputParams {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The id of the model's call.
    pub item_id: String,
    /// One to three, to be shown together.
    pub questions: Vec<ToolRequestUserInputQuestion>,
    /// Whether the turn waits for the answer.
    pub is_blocking: bool,
    /// Null here: a question does not answer itself. In milliseconds.
    pub auto_resolution_ms: Option<u64>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ToolRequestUserInputQuestion {
    /// Names it in the answer.
    pub id: String,
    /// A word or two above it.
    pub header: String,
    /// The question.
    pub question: String,
    /// Whether the person may answer in own words.
    pub is_other: bool,
    /// Whether the answer must not be shown while it is typed.
    pub is_secret: bool,
    /// What to choose from. Null: own words only.
    pub options: Option<Vec<ToolRequestUserInputOption>>,
}

/// An answer to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ToolRequestUserInputOption {
    /// What is answered when it is chosen.
    pub label: String,
    /// What it means.
    pub description: String,
}

/// The answer to `item/tool/requestUserInput`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ToolRequestUserInputResponse {
    /// By the `id` of the question. A question that is missing was not answered.
    pub answers: BTreeMap<String, ToolRequestUserInputAnswer>,
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ToolRequestUserInputAnswer {
    /// Labels of what was chosen, and own words.
    pub answers: Vec<String>,
}
