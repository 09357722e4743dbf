//! Samples inside the program, for a demo without git and the source tree.

use bytes::Bytes;
use polder_hub::{Change, CommitRequest, Signature};
use polder_types::Clock;

/// A small repository of one commit.
pub(super) struct Sample {
    /// Its name on the hub.
    pub(super) id: &'static str,
    files: Vec<(&'static str, Bytes)>,
}

/// Every sample.
pub(super) fn all() -> Vec<Sample> {
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    vec![
        Sample {
            id: "acme/tiny-llama",
            files: vec![
                ("README.md", text(include_str!("../../../../fixtures/files/card-en.md"))),
                ("config.json", text(include_str!("../../../../fixtures/files/config.json"))),
                ("model.safetensors", safetensors()),
            ],
        },
        Sample {
            id: "acme/tiny-zh",
            files: vec![
                ("README.md", text(include_str!("../../../../fixtures/files/card-zh.md"))),
                ("说明/使用 方法.md", text("# 使用方法\n\n先下载，再运行。\n")),
            ],
        },
        Sample {
            id: "datasets/acme/poems",
            files: vec![
                ("README.md", text(include_str!("../../../../fixtures/files/card-dataset.md"))),
                (
                    "data/train.jsonl",
                    text("{\"id\": 1, \"text\": \"床前明月光\"}\n{\"id\": 2, \"text\": \"疑是地上霜\"}\n"),
                ),
            ],
        },
    ]
}

impl Sample {
    /// The commit that makes it.
    pub(super) fn commit(self) -> CommitRequest {
        let write = |(path, content): (&str, Bytes)| Change::Write {
            path: path.to_owned(),
            content,
            executable: false,
        };
        CommitRequest {
            branch: "main".to_owned(),
            parent: None,
            changes: self.files.into_iter().map(write).collect(),
            author: Signature {
                name: "Ada Example".to_owned(),
                email: "ada@example.org".to_owned(),
                time: Clock::System.now(),
            },
            message: "Add the sample".to_owned(),
        }
    }
}

/// A valid file of one tensor of four zeros: header length, JSON header, tensor bytes.
fn safetensors() -> Bytes {
    let header = br#"{"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}  "#;
    let mut file = u64::try_from(header.len()).unwrap_or_default().to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(&[0; 16]);
    Bytes::from(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::RepoName;

    #[test]
    fn samples_have_names_and_cards() {
        for sample in all() {
            assert!(sample.id.parse::<RepoName>().is_ok(), "{}", sample.id);
            assert!(
                sample.files.iter().any(|(path, card)| *path == "README.md" && card.starts_with(b"---\n"))
            );
        }
    }

    #[test]
    fn the_tensor_file_is_as_long_as_its_header_says() {
        let file = safetensors();
        let length: [u8; 8] = file[..8].try_into().unwrap();
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
        assert_eq!(header["weight"]["data_offsets"][1], file.len() - 8 - length);
        assert_eq!(length % 8, 0);
    }
}
