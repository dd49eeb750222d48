//! What the items of the smaller tools are made of: functions of the client, and the search of the web.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;

open_enum! {
    /// How a call of a client's tool stands.
    pub enum DynamicToolCallStatus in "v2/" {
        /// The client was asked.
        InProgress = "inProgress",
        /// The client answered, and said that it went well.
        Completed = "completed",
        /// The client answered that it did not go well, or gave no answer that could be used.
        Failed = "failed",
    }
}

/// The output of a function that the client ran by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(untagged)]
#[schemars(inline)]
pub enum FunctionCallOutputBody {
    /// A text.
    Text(String),
    /// Several parts, each as the backend's Responses API writes a part of a function's output. Kept as they
    /// came.
    Parts(#[ts(type = "Array<unknown>")] Vec<Value>),
}

/// What the model did on the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum WebSearchAction {
    /// It searched. Members that are null are not known.
    Search {
        /// For this.
        query: Option<String>,
        /// For each of these.
        queries: Option<Vec<String>>,
    },
    /// It opened a page.
    OpenPage {
        /// Its address. Null when it is not known.
        url: Option<String>,
    },
    /// It looked for a text in a page. Members that are null are not known.
    FindInPage {
        /// The address of the page.
        url: Option<String>,
        /// The text.
        pattern: Option<String>,
    },
    /// None of the others.
    Other {},
    /// An action of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}
