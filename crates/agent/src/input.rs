//! What a person sends, and how the model is given it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The largest image that is read from this machine.
const MAX_IMAGE_BYTES: u64 = 20 * 1024 * 1024;

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
            Self::LocalImage { path, detail } => match read_image(path).await {
                Ok(bytes) => image_content(&data_url(path, &bytes), *detail),
                Err(error) => text_content(&format!("The image {path} could not be read: {error}.")),
            },
            Self::Skill { name, path } => text_content(&format!("Use the skill `{name}`, described in {path}.")),
            Self::Mention { name, path } => text_content(&format!("`{name}` refers to {path}.")),
        }
    }
}

/// Reads a file, unless it is none or too large: a pipe or a device would never end.
async fn read_image(path: &str) -> std::io::Result<Vec<u8>> {
    let metadata = tokio::fs::metadata(path).await?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if metadata.len() > MAX_IMAGE_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {MAX_IMAGE_BYTES} bytes")));
    }
    tokio::fs::read(path).await
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

fn data_url(path: &str, bytes: &[u8]) -> String {
    let extension = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let kind = match extension.as_str() {
        "jpg" | "jpeg" => "jpeg",
        "gif" => "gif",
        "webp" => "webp",
        _ => "png",
    };
    format!("data:image/{kind};base64,{}", STANDARD.encode(bytes))
}
