//! Account and repository names: what may be created, and how a name is written.

mod account_name;
mod repo_kind;
mod repo_name;
#[cfg(test)]
mod tests;

pub use account_name::AccountName;
pub use repo_kind::RepoKind;
pub use repo_name::RepoName;

/// Why a text is not a name; the message is written for the person who chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {problem}")]
pub struct NameError {
    name: String,
    problem: &'static str,
}

/// A name fit for a message: no control characters, no great length.
fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
