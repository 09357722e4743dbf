//! What a file is, by its bytes: what it is called, and what its sender calls it, count for nothing.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `_ATTACHMENT_CONTENT_TYPES`, for the kinds; the magic numbers are those
//! of each format's own specification.

/// A kind of file that can be attached. None of them is a document that could hold scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// `WebP`.
    Webp,
    /// MP4.
    Mp4,
    /// `QuickTime`.
    Quicktime,
    /// `WebM`.
    Webm,
    /// MP3.
    Mp3,
    /// WAV.
    Wav,
}

/// Where a `WebM` file says what it is: within its first element.
const EBML_HEAD_BYTES: usize = 64;

impl Media {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Png,
        Self::Jpeg,
        Self::Gif,
        Self::Webp,
        Self::Mp4,
        Self::Quicktime,
        Self::Webm,
        Self::Mp3,
        Self::Wav,
    ];

    /// The kind of these bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Self::Wav),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => of_brand(brand),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => {
                let head = bytes.get(..EBML_HEAD_BYTES).unwrap_or(bytes);
                head.windows(4).any(|word| word == b"webm").then_some(Self::Webm)
            }
            [b'I', b'D', b'3', ..] => Some(Self::Mp3),
            // A frame of layer III, of a version that there is.
            [0xff, second, ..] if second & 0xe6 == 0xe2 && second & 0x18 != 0x08 => Some(Self::Mp3),
            _ => None,
        }
    }

    /// What a browser is told that it is.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::Quicktime => "video/quicktime",
            Self::Webm => "video/webm",
            Self::Mp3 => "audio/mpeg",
            Self::Wav => "audio/wav",
        }
    }

    /// What its address ends with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Mp4 => "mp4",
            Self::Quicktime => "mov",
            Self::Webm => "webm",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
        }
    }
}

/// The kind of a file of ISO 14496-12, whose pictures are not among those that can be attached.
fn of_brand(brand: &[u8]) -> Option<Media> {
    match brand {
        [b'q', b't', b' ', b' ', ..] => Some(Media::Quicktime),
        [b'i', b's', b'o', b'm' | b'2'..=b'9', ..]
        | [b'm', b'p', b'4', b'1' | b'2', ..]
        | [b'a', b'v', b'c', b'1', ..]
        | [b'M', b'4', b'V', ..]
        | [b'M', b'S', b'N', b'V', ..]
        | [b'd', b'a', b's', b'h', ..] => Some(Media::Mp4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_first_bytes() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Media::Png),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Media::Jpeg),
            (b"GIF89a..", Media::Gif),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Media::Webp),
            (b"\0\0\0\x20ftypisom\0\0\x02\0", Media::Mp4),
            (b"\0\0\0\x14ftypmp42", Media::Mp4),
            (b"\0\0\0\x14ftypqt  ", Media::Quicktime),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", Media::Webm),
            (b"ID3\x04\0", Media::Mp3),
            (b"\xff\xfb\x90\x64", Media::Mp3),
            (b"RIFF\x24\0\0\0WAVEfmt ", Media::Wav),
        ] {
            assert_eq!(Media::of(bytes), Some(expected), "{bytes:?}");
        }
    }

    #[test]
    fn whatever_could_hold_scripts_and_whatever_is_unknown_is_no_kind() {
        for bytes in [
            &b""[..],
            b"<html><script>alert(1)</script>",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"<?xml version='1.0'?>",
            b" \x89PNG\r\n\x1a\n",
            b"\x89PNG",
            b"%PDF-1.7",
            b"GIF88a",
            b"plain text",
            b"\0\0\0\x18ftypheic",
            b"\0\0\0\x18ftypavif",
            b"\x1a\x45\xdf\xa3\x42\x82\x88matroska",
            b"\xff\xfe<\0h\0t\0m\0l\0",
            b"\xff\xf1aac",
            b"RIFF\x24\0\0\0AVI ",
        ] {
            assert_eq!(Media::of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn every_kind_has_an_ending_of_its_own() {
        let mut endings: Vec<_> = Media::ALL.iter().map(|media| media.extension()).collect();
        endings.sort_unstable();
        endings.dedup();
        assert_eq!(endings.len(), Media::ALL.len());
    }
}
