//! Messages: what a person sends, what the model says, and its reasoning while it says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::open_enum::open_enum;

open_enum! {
    /// What a message of the model is meant as.
    pub enum MessagePhase in "" {
        /// Said on the way.
        Commentary = "commentary",
        /// A part of the answer.
        PartialAnswer = "partial_answer",
        /// The answer.
        FinalAnswer = "final_answer",
    }
}

/// What a person sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum UserInput {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Stretches of it that the client shows differently. May be left out.
        #[serde(default, rename = "text_elements")]
        #[ts(as = "Option<Vec<TextElement>>", optional)]
        text_elements: Vec<TextElement>,
    },
    /// An image that the backend can fetch, or that is written into the URL.
    Image {
        /// `https:` or `data:`.
        url: String,
        /// How closely to look.
        #[serde(default)]
        #[ts(optional = nullable)]
        detail: Option<ImageDetail>,
    },
    /// An image on this machine.
    LocalImage {
        /// The file.
        path: String,
        /// How closely to look.
        #[serde(default)]
        #[ts(optional = nullable)]
        detail: Option<ImageDetail>,
    },
    /// A skill that the person picked.
    Skill {
        /// Its name.
        name: String,
        /// Its file.
        path: String,
    },
    /// A file that the person mentioned.
    Mention {
        /// Its name.
        name: String,
        /// The file.
        path: String,
    },
}

/// How closely a model looks at an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum ImageDetail {
    /// The backend chooses.
    Auto,
    /// Small.
    Low,
    /// Large.
    High,
    /// As it is.
    Original,
}

/// A stretch of text that the client shows differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct TextElement {
    /// Which bytes of the text.
    pub byte_range: ByteRange,
    /// What to show in their place.
    pub placeholder: Option<String>,
}

/// Bytes `start..end` of a text in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ByteRange {
    /// The first.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

/// `item/agentMessage/delta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AgentMessageDeltaNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// To be appended to the item's text.
    pub delta: String,
}

/// `item/reasoning/summaryPartAdded`: the next part of the summary begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ReasoningSummaryPartAddedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// The part.
    pub summary_index: i64,
}

/// `item/reasoning/summaryTextDelta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ReasoningSummaryTextDeltaNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// To be appended to the part.
    pub delta: String,
    /// The part.
    pub summary_index: i64,
}

/// `item/reasoning/textDelta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ReasoningTextDeltaNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// To be appended to the part.
    pub delta: String,
    /// The part.
    pub content_index: i64,
}
