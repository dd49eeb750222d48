//! Images for the model: a file becomes a data URL. What kind of image it is, its first bytes say.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The largest file that is sent, in bytes: 20 MiB.
pub const LARGEST: u64 = 20 * 1024 * 1024;

/// Why there is no image, in words for the model.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot read the image {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a folder, or something else that is no file.
    #[error("{} is not a file", .path.display())]
    NotAFile {
        /// What it was to be.
        path: PathBuf,
    },
    /// It is too large.
    #[error("the image {} is larger than 20 MiB; make it smaller first", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no image, or of a kind that models do not see.
    #[error("{} is not a PNG, JPEG, GIF or WebP image", .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
    },
}

/// Reads an image, as a data URL: `data:image/png;base64,…`.
pub fn data_url(path: &Path) -> Result<String, ImageError> {
    let owned = || path.to_owned();
    let failed = |source| ImageError::Read { path: owned(), source };
    // A pipe would block already when it is opened.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ImageError::NotAFile { path: owned() });
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ImageError::TooLarge { path: owned() });
    }
    let kind = kind(&bytes).ok_or_else(|| ImageError::Unsupported { path: owned() })?;
    let mut url = format!("data:image/{kind};base64,");
    STANDARD.encode_string(&bytes, &mut url);
    Ok(url)
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{LARGEST, data_url};

    fn of(bytes: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        std::fs::write(&path, bytes).unwrap();
        let root = format!("{}/", folder.path().display());
        data_url(&path).map_err(|error| error.to_string().replace(&root, ""))
    }

    #[test]
    fn the_first_bytes_say_what_it_is() {
        assert_eq!(of(b"\x89PNG\r\n\x1a\nx").unwrap(), "data:image/png;base64,iVBORw0KGgp4");
        assert_eq!(of(b"\xff\xd8\xff\xe0").unwrap(), "data:image/jpeg;base64,/9j/4A==");
        assert_eq!(of(b"GIF89a").unwrap(), "data:image/gif;base64,R0lGODlh");
        assert_eq!(of(b"RIFF\0\0\0\0WEBP").unwrap(), "data:image/webp;base64,UklGRgAAAABXRUJQ");
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        assert_eq!(of(b"<svg/>").unwrap_err(), "image is not a PNG, JPEG, GIF or WebP image");
        assert_eq!(of(b"").unwrap_err(), "image is not a PNG, JPEG, GIF or WebP image");
        assert_eq!(of(b"RIFF\0\0\0\0WAVE").unwrap_err(), "image is not a PNG, JPEG, GIF or WebP image");
        let folder = tempfile::tempdir().unwrap();
        let error = data_url(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(" is not a file"), "{error}");
        let error = data_url(&folder.path().join("none.png")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the image "), "{error}");
    }

    #[test]
    fn a_large_file_is_refused_and_one_at_the_limit_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        std::fs::write(&path, b"\x89PNG\r\n\x1a\n").unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(LARGEST).unwrap();
        assert!(data_url(&path).is_ok());
        file.set_len(LARGEST + 1).unwrap();
        let error = data_url(&path).unwrap_err().to_string();
        assert!(error.ends_with("is larger than 20 MiB; make it smaller first"), "{error}");
    }
}
