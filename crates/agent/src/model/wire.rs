//! The two wires that a provider may speak, and what the rest of the agent sees of either: a body to send, and what
//! a response says. Nobody beyond this folder knows which wire a turn is on.

use serde_json::Value;
use serde_json::value::RawValue;

use super::output_item::OutputItem;
use super::pieces::PieceOf;
use super::{chat, responses};
use crate::failure::Failure;
use crate::usage::TokenUsage;

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// The Responses API.
    #[default]
    Responses,
    /// Chat completions, streamed or not.
    Chat,
}

impl Wire {
    /// Where requests go, below the base URL.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Responses => "responses",
            Self::Chat => "chat/completions",
        }
    }

    /// Whether what a provider has thought, and its ids, are of use to no other, whoever pays.
    pub(crate) fn keeps_to_provider(self) -> bool {
        self == Self::Chat
    }
}

/// What a response says, piece by piece.
#[derive(Debug)]
pub(crate) enum Told<'a> {
    /// More of a text. Without an id it belongs to the item that began last.
    Piece { of: PieceOf, item_id: Option<&'a str>, text: &'a str },
    /// Another part of a summary begins.
    SummaryPart { item_id: Option<&'a str>, index: i64 },
    /// An item begins.
    Begun(OutputItem),
    /// An item is whole, as the Responses API has it: the history is kept in these, whatever the wire.
    Whole(&'a RawValue),
}

/// What is said at the end of a whole response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) usage: Option<TokenUsage>,
    /// False: the model has more to say.
    pub(crate) end_turn: Option<bool>,
}

/// Reads one response.
pub(crate) enum Decoder {
    Responses,
    Chat(Box<chat::Decoder>),
}

impl Decoder {
    /// `tools` are those that the request offered.
    pub(crate) fn new(wire: Wire, tools: impl FnOnce() -> Vec<Value>) -> Self {
        match wire {
            Wire::Responses => Self::Responses,
            Wire::Chat => Self::Chat(Box::new(chat::Decoder::new(&tools()))),
        }
    }

    /// Reads the data of one event. Returns the end of the response when it is there.
    pub(crate) fn read(&mut self, data: &str, tell: &mut dyn FnMut(Told<'_>)) -> Result<Option<End>, Failure> {
        match self {
            Self::Responses => responses::read(data, tell),
            Self::Chat(decoder) => decoder.read(data, tell),
        }
    }

    /// The bytes have ended, with a failure if they broke off. Whether the response is whole all the same is up to
    /// what was read of it.
    pub(crate) fn close(&mut self, broken: Option<Failure>, tell: &mut dyn FnMut(Told<'_>)) -> Result<End, Failure> {
        match self {
            Self::Responses => {
                Err(broken.unwrap_or_else(|| Failure::disconnected("stream closed before response.completed")))
            }
            Self::Chat(decoder) => decoder.close(broken, tell),
        }
    }
}
