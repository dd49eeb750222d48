//! What a person sends, and how the model is given it.

use std::path::PathBuf;

use serde_json::{Value, json};

/// One part of what a person sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Text, and stretches of it that a client shows differently.
    Text {
        /// The text.
        text: String,
        /// The stretches.
        spans: Vec<TextSpan>,
    },
    /// An image by URL.
    Image {
        /// `https:` or `data:`.
        url: String,
        /// How closely to look.
        detail: Option<ImageDetail>,
    },
    /// An image on this machine.
    LocalImage {
        /// The file.
        path: String,
        /// How closely to look.
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

/// A stretch of text that a client shows differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextSpan {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What is shown in its place.
    pub placeholder: Option<String>,
}

/// How closely a model looks at an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl ImageDetail {
    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Low => "low",
            Self::High => "high",
            Self::Original => "original",
        }
    }
}

impl Input {
    /// The part as the Responses API takes it. Reads the file of a local image.
    pub(crate) async fn content(&self) -> Value {
        match self {
            Self::Text { text, .. } => text_content(text),
            Self::Image { url, detail } => image_content(url, *detail),
            Self::LocalImage { path, detail } => match read_image(path.into()).await {
                Ok(url) => image_content(&url, *detail),
                Err(error) => text_content(&format!("An image is missing here: {error}.")),
            },
            Self::Skill { name, path } => text_content(&format!("Use the skill `{name}`, described in {path}.")),
            Self::Mention { name, path } => text_content(&format!("`{name}` refers to {path}.")),
        }
    }
}

/// An image on this machine as a data URL, or else why there is none, in words for the model. What is no image is not
/// sent: a backend would refuse it with this turn and all that follow.
pub(crate) async fn read_image(path: PathBuf) -> Result<String, String> {
    let read = tokio::task::spawn_blocking(move || valet_tools::image::data_url(&path)).await;
    read.map_err(|error| format!("the image could not be read: {error}"))?.map_err(|error| error.to_string())
}

fn text_content(text: &str) -> Value {
    json!({ "type": "input_text", "text": text })
}

fn image_content(url: &str, detail: Option<ImageDetail>) -> Value {
    let mut content = json!({ "type": "input_image", "image_url": url });
    if let Some(detail) = detail {
        content["detail"] = detail.as_str().into();
    }
    content
}
