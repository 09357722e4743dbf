//! Signed notes, checkpoints, keys and names in text.

use std::fmt::Display;
use std::str::FromStr;

use polder_log::{
    Checkpoint, LogName, NOTE_BYTES_MAX, Origin, SecretKey, SignerKey, TileId, VerifierKey, open_note,
    sign_note, split_note,
};

/// Only one text says what was read; a note is signed by who signed it and nobody else.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    only_one_text::<VerifierKey>(text);
    only_one_text::<LogName>(text);
    only_one_text::<Origin>(text);
    only_one_text::<TileId>(text);
    let Ok(key) = SignerKey::new("hub.example.org", SecretKey::new(&[99; 32])) else { panic!("a name") };
    if let Ok((signed, signatures)) = split_note(text) {
        assert!(text.len() <= NOTE_BYTES_MAX && signed.ends_with('\n') && !signatures.is_empty());
        assert!(open_note(text, key.verifier()).is_err(), "signed by a key that signed nothing");
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.text()));
        assert_eq!(Checkpoint::open(&checkpoint.sign(&[&key]), key.verifier()), Ok(checkpoint));
    }
    let plain = text.ends_with('\n') && !text.contains(|c: char| c < ' ' && c != '\n');
    if plain && text.len() < NOTE_BYTES_MAX / 2 {
        assert_eq!(open_note(&sign_note(text, &[&key]), key.verifier()), Ok(text));
    }
}

fn only_one_text<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}
