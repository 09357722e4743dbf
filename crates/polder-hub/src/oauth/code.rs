//! The texts that stand for a login: what a client asks with, what its user types, what renews a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use polder_types::Sha256;

use crate::error::Result;
use crate::secret::{Secret, SigningKey, random};

/// What a user's code is made of: nothing that is read as another, or as a word. Eight of 20 are 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LETTERS: usize = 8;
/// Longest text that is read as a user's code, in bytes.
const USER_CODE_BYTES_MAX: usize = 32;
const DEVICE_PREFIX: &str = "pld_device_";
const REFRESH_PREFIX: &str = "pld_refresh_";
/// Longest text that is looked up as a client's code, in bytes.
pub(super) const DEVICE_CODE_BYTES_MAX: usize = 128;

/// What a client asks with: 256 random bits.
pub(super) fn new_device_code() -> Result<Secret> {
    Ok(Secret::new(format!("{DEVICE_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<32>()?))))
}

/// A code as its user reads and types it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserCode(String);

impl UserCode {
    pub(super) fn new() -> Result<Self> {
        let mut letters = String::with_capacity(USER_CODE_LETTERS);
        loop {
            for byte in random::<16>()? {
                // A multiple of 20, so that every letter is as likely as another.
                let letter = (byte < 240).then(|| LETTERS.get(usize::from(byte % 20))).flatten();
                letters.extend(letter.map(|letter| char::from(*letter)));
                if letters.len() == USER_CODE_LETTERS {
                    return Ok(Self(letters));
                }
            }
        }
    }

    /// Reads what somebody typed: case, spaces and dashes mean nothing.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > USER_CODE_BYTES_MAX {
            return None;
        }
        let letters: String =
            text.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
        let is_code =
            letters.len() == USER_CODE_LETTERS && letters.bytes().all(|byte| LETTERS.contains(&byte));
        is_code.then_some(Self(letters))
    }

    /// As its user reads it.
    pub(super) fn shown(&self) -> String {
        let (first, second) = self.0.split_at(USER_CODE_LETTERS / 2);
        format!("{first}-{second}")
    }

    /// What is stored: whoever has only that cannot try all codes.
    pub(super) fn hash(&self, key: &SigningKey) -> Sha256 {
        Secret::new(key.sign(&format!("polder/user-code/1\n{}", self.0))).hash()
    }
}

/// What renews a token: 256 bits that stay as long as it lives, and 256 that are new each time.
#[derive(Clone)]
pub(super) struct RefreshToken {
    family: [u8; 32],
    latest: [u8; 32],
}

impl RefreshToken {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { family: random()?, latest: random()? })
    }

    /// The one after this.
    pub(super) fn next(&self) -> Result<Self> {
        Ok(Self { family: self.family, latest: random()? })
    }

    pub(super) fn read(text: &Secret) -> Option<Self> {
        let coded = text.reveal().strip_prefix(REFRESH_PREFIX)?;
        // A decoder is given nothing long.
        let bytes = URL_SAFE_NO_PAD.decode(coded.as_bytes().get(..86).filter(|_| coded.len() == 86)?).ok()?;
        let (family, latest) = bytes.split_at_checked(32)?;
        Some(Self { family: family.try_into().ok()?, latest: latest.try_into().ok()? })
    }

    pub(super) fn text(&self) -> Secret {
        let bytes = [self.family, self.latest].concat();
        Secret::new(format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub(super) fn family(&self) -> Sha256 {
        hash(&self.family)
    }

    pub(super) fn latest(&self) -> Sha256 {
        hash(&self.latest)
    }
}

fn hash(bytes: &[u8; 32]) -> Sha256 {
    use sha2::Digest as _;
    Sha256::new(sha2::Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_code_is_read_however_it_is_typed() {
        let code = UserCode::new().expect("random");
        let shown = code.shown();
        assert_eq!(shown.len(), 9, "{shown}");
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), format!(" {shown} ")] {
            assert_eq!(UserCode::read(&typed), Some(code.clone()), "{typed}");
        }
        for wrong in ["", "BCDF-GHJ", "BCDF-GHJA", "BCDF-GHJKL", "BCDF-GHJ1", "BCDF GHJé", &" ".repeat(99)] {
            assert_eq!(UserCode::read(wrong), None, "{wrong}");
        }
        assert_ne!(UserCode::new().expect("random"), code);
    }

    #[test]
    fn what_renews_a_token_is_read_back_and_the_next_is_of_the_same_family() {
        let first = RefreshToken::new().expect("random");
        let read = RefreshToken::read(&first.text()).expect("its own text");
        assert_eq!((read.family(), read.latest()), (first.family(), first.latest()));
        let next = first.next().expect("random");
        assert_eq!(next.family(), first.family());
        assert_ne!(next.latest(), first.latest());
        let text = first.text().reveal().to_owned();
        for wrong in
            ["", "pld_refresh_", &text[..text.len() - 1], &format!("{text}A"), &text.replace('_', "-")]
        {
            assert!(RefreshToken::read(&Secret::new(wrong)).is_none(), "{wrong}");
        }
    }
}
