//! The text of a commit object.

use polder_types::ObjectId;

use super::Signature;
use crate::{Error, Result};

/// Longest commit message, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Longest name or address, in bytes.
const IDENTITY_BYTES_MAX: usize = 1_024;

/// `Name <address> seconds +0000`.
///
/// Source: git `ident.c` (`strbuf_addstr_without_crud`): control characters, `<` and `>` go, and so
/// does punctuation at either end.
pub(crate) fn signature_line(signature: &Signature) -> Result<String> {
    let name = clean(&signature.name);
    if name.is_empty() {
        return Err(Error::refused("the author of a commit needs a name"));
    }
    let email = clean(&signature.email);
    if name.len() > IDENTITY_BYTES_MAX || email.len() > IDENTITY_BYTES_MAX {
        return Err(Error::refused("the author's name or address has more than 1024 bytes"));
    }
    Ok(format!("{name} <{email}> {} +0000", signature.time.seconds().max(0)))
}

fn clean(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect();
    let crud = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | ':' | ';' | '"' | '\\' | '\'');
    kept.trim_matches(crud).to_owned()
}

/// The message as git would store it: no NUL, one line break at the end.
pub(crate) fn message(text: &str) -> Result<String> {
    let trimmed = text.trim_end();
    if trimmed.len() > MESSAGE_BYTES_MAX {
        return Err(Error::refused("the commit message has more than 1 MiB"));
    }
    if trimmed.is_empty() {
        return Err(Error::refused("a commit needs a message"));
    }
    if trimmed.contains('\0') {
        return Err(Error::refused("the commit message has a NUL character"));
    }
    Ok(format!("{trimmed}\n"))
}

/// The whole object, without its header.
pub(crate) fn commit(tree: ObjectId, parents: &[ObjectId], signature: &str, message: &str) -> Vec<u8> {
    let parents: Vec<String> = parents.iter().map(|id| format!("parent {id}\n")).collect();
    let parents = parents.concat();
    format!("tree {tree}\n{parents}author {signature}\ncommitter {signature}\n\n{message}").into_bytes()
}

/// A whole annotated tag, without its header.
pub(crate) fn tag(commit_id: ObjectId, name: &str, signature: &str, message: &str) -> Vec<u8> {
    format!("object {commit_id}\ntype commit\ntag {name}\ntagger {signature}\n\n{message}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::UnixMillis;

    fn signature(name: &str, email: &str) -> Signature {
        Signature { name: name.to_owned(), email: email.to_owned(), time: UnixMillis(1_700_000_000_999) }
    }

    #[test]
    fn an_identity_cannot_forge_headers() {
        let line = signature_line(&signature(" Eve <x>\ncommitter 王 ", "e@x>\nparent 0")).unwrap();
        assert_eq!(line, "Eve xcommitter 王 <e@xparent 0> 1700000000 +0000");
        assert!(signature_line(&signature(" <>\n., ", "a@b")).is_err());
        assert!(signature_line(&signature(&"n".repeat(2000), "a@b")).is_err());
    }

    #[test]
    fn a_message_ends_in_one_line_break() {
        assert_eq!(message("Add\n\nbody \n\n").unwrap(), "Add\n\nbody\n");
        for bad in ["", " \n", "a\0b"] {
            assert!(message(bad).is_err(), "{bad:?}");
        }
    }
}
