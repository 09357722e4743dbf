//! Signed notes: a text, an empty line, and lines of signatures.
//!
//! Source: C2SP signed-note; Go's golang.org/x/mod/sumdb/note, whose vectors the tests use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result, malformed};
use crate::key::{SignerKey, VerifierKey, is_key_name};

/// Largest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 16 << 10;
/// Most signatures a note may carry.
const SIGNATURES_MAX: usize = 100;
const WHAT: &str = "a note";

/// The name of a key, and its id before its signature.
pub type NamedSignature<'n> = (&'n str, Vec<u8>);

/// Signs `text`, which ends in a newline.
///
/// ```
/// use polder_log::{SecretKey, SignerKey, open_note, sign_note};
/// let key = SignerKey::new("hub.example.org", SecretKey::new(&[7; 32])).unwrap();
/// let note = sign_note("a text\n", &[&key]);
/// assert_eq!(open_note(&note, key.verifier()), Ok("a text\n"));
/// ```
pub fn sign_note(text: &str, keys: &[&SignerKey]) -> String {
    let mut note = format!("{text}\n");
    for key in keys {
        let mut bytes = key.verifier().id().to_vec();
        bytes.extend(key.secret().sign(text.as_bytes()));
        let line = ["\u{2014} ", key.verifier().name(), " ", &STANDARD.encode(bytes), "\n"];
        note.extend(line);
    }
    note
}

/// The text of a note that `key` has signed. Signatures of other keys are passed over.
///
/// # Errors
/// [`Error::Unsigned`] when none is this key's, and when one that says so is not.
pub fn open_note<'n>(note: &'n str, key: &VerifierKey) -> Result<&'n str> {
    let (text, signatures) = split_note(note)?;
    let mut signed = false;
    for (name, signature) in signatures {
        let Some((id, signature)) = signature.split_first_chunk::<4>() else { continue };
        if name != key.name() || *id != key.id() {
            continue;
        }
        if !key.key().verifies(text.as_bytes(), signature) {
            return Err(Error::Unsigned { what: WHAT });
        }
        signed = true;
    }
    if signed { Ok(text) } else { Err(Error::Unsigned { what: WHAT }) }
}

/// The text of a note and its signatures.
///
/// Nothing may be believed of a note that nobody has verified.
///
/// # Errors
/// When it is not a note.
pub fn split_note(note: &str) -> Result<(&str, Vec<NamedSignature<'_>>)> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(Error::TooLarge { what: WHAT, limit: NOTE_BYTES_MAX });
    }
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(malformed(WHAT, "it has control characters"));
    }
    // The last empty line divides them; both halves keep their last newline.
    let blank = note.rfind("\n\n").ok_or(malformed(WHAT, "it has no signatures"))?;
    let (text, rest) = note.split_at(blank + 1);
    let lines = rest.get(1..).and_then(|rest| rest.strip_suffix('\n'));
    let lines = lines.ok_or(malformed(WHAT, "it has no signatures, or ends without a newline"))?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        let signature = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '));
        let signature = signature.and_then(|(name, signature)| {
            let bytes = STANDARD.decode(signature).ok()?;
            (is_key_name(name) && bytes.len() > 4).then_some((name, bytes))
        });
        signatures.push(signature.ok_or(malformed(WHAT, "a line of signatures is no signature"))?);
        if signatures.len() > SIGNATURES_MAX {
            return Err(Error::TooLarge { what: "the signatures of a note", limit: SIGNATURES_MAX });
        }
    }
    Ok((text, signatures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    // All of this from note_test.go of golang.org/x/mod, 2019.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const PETER_SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ\
                                   SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const ENOCH_SIGNATURE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ov\
                                   TG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn key(text: &str) -> VerifierKey {
        text.parse().unwrap()
    }

    #[test]
    fn a_note_of_go_is_signed_alike_and_opened() {
        let secret = STANDARD.decode(PETER_SECRET).unwrap();
        let signer = SignerKey::new("PeterNeumann", SecretKey::new(secret[1..].try_into().unwrap())).unwrap();
        assert_eq!(signer.verifier(), &key(PETER));
        assert_eq!(sign_note(TEXT, &[&signer]), format!("{TEXT}\n{PETER_SIGNATURE}"));

        let both = format!("{TEXT}\n{PETER_SIGNATURE}{ENOCH_SIGNATURE}");
        assert_eq!(open_note(&both, &key(PETER)), Ok(TEXT));
        assert_eq!(open_note(&both, &key(ENOCH)), Ok(TEXT));
        let one = format!("{TEXT}\n{PETER_SIGNATURE}");
        assert_eq!(open_note(&one, &key(ENOCH)), Err(Error::Unsigned { what: WHAT }));
    }

    #[test]
    fn notes_that_go_refuses_are_refused() {
        let damaged = format!("{}ABCD{}", &PETER_SIGNATURE[..60], &PETER_SIGNATURE[60..]);
        for note in [
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}\n{}", &PETER_SIGNATURE[..PETER_SIGNATURE.len() - 1]),
            format!("\u{1}{TEXT}\n{PETER_SIGNATURE}"),
            format!("{TEXT}\n— Bad Name {}", &PETER_SIGNATURE[17..]),
            format!("{TEXT}\n{PETER_SIGNATURE}Unexpected line.\n"),
            format!("{TEXT}\n{}", PETER_SIGNATURE.repeat(101)),
            format!("{TEXT}\n{damaged}"),
            format!("{TEXT}more\n\n{PETER_SIGNATURE}"),
        ] {
            assert!(open_note(&note, &key(PETER)).is_err(), "{note}");
        }
    }

    #[test]
    fn keys_that_go_refuses_are_refused() {
        let parses = |text: &[u8]| str::from_utf8(text).is_ok_and(|text| text.parse::<VerifierKey>().is_ok());
        let mut text = PETER.as_bytes().to_vec();
        for from in 0..text.len() {
            for to in from + 1..=text.len() {
                assert_eq!(parses(&text[from..to]), (from, to) == (0, text.len()));
            }
            text[from] += 1;
            assert!(!parses(&text));
            text[from] -= 1;
        }
        // Another length and another algorithm, each with the hash adjusted.
        assert!(!parses(b"PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="));
        assert!(!parses(b"PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
    }
}
