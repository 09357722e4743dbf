//! Settings from the environment: `POLDER_<KEY>` and `POLDER_<SECTION>_<KEY>`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::Layer;
use crate::Error;

const PREFIX: &str = "POLDER_";
const CONFIG_FILE: &str = "POLDER_CONFIG";
const FAILPOINT: &str = "POLDER_FAILPOINT";

/// The variables of the process whose names begin with `POLDER_`.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }

    /// An environment made by hand.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// `POLDER_CONFIG`: the configuration file, unless a flag names one.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.0.get(CONFIG_FILE).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// `POLDER_FAILPOINT`: where a test wants this process to die.
    pub fn failpoint(&self) -> Option<String> {
        self.0.get(FAILPOINT)?.to_str().map(ToOwned::to_owned)
    }

    /// The settings among the variables. An empty variable says nothing; a list is written with commas.
    ///
    /// # Errors
    /// When a value is not of its key's type; the message names the variable.
    pub fn layer(&self) -> Result<Layer, Error> {
        let mut layer = Layer::default();
        for (path, sample) in keys() {
            let name = variable(&path);
            let Some(value) = self.0.get(&name).filter(|value| !value.is_empty()) else { continue };
            let text = value.to_str().ok_or_else(|| Error::plain(format!("{name} is not UTF-8")))?;
            let wrong = |problem: &dyn std::fmt::Display| Error::plain(format!("{name}: {problem}"));
            let value = match sample {
                Value::Number(_) => {
                    let number: u64 = text.parse().map_err(|_error| wrong(&"must be a whole number"))?;
                    Value::from(number)
                }
                Value::Bool(_) => {
                    let yes: bool = text.parse().map_err(|_error| wrong(&"must be true or false"))?;
                    Value::from(yes)
                }
                Value::Array(_) => text.split(',').map(|item| Value::from(item.trim())).collect(),
                _ => Value::from(text),
            };
            let one: Layer = serde_json::from_value(nest(&path, value)).map_err(|error| wrong(&error))?;
            layer = one.over(layer);
        }
        Ok(layer)
    }

    /// A warning for each variable that nothing reads: most likely a slip of the pen.
    ///
    /// Not an error, because a Kubernetes service called `polder` makes `POLDER_PORT` and its like
    /// appear in every pod.
    pub fn unknown(&self) -> Vec<String> {
        let known: Vec<String> = keys().iter().map(|(path, _)| variable(path)).collect();
        self.0
            .keys()
            .filter(|name| *name != CONFIG_FILE && *name != FAILPOINT && !known.contains(name))
            .map(|name| format!("the variable {name} is not a setting and has no effect"))
            .collect()
    }
}

/// Every key, as its path, with a value of its type.
pub(super) fn keys() -> Vec<(Vec<String>, Value)> {
    let mut keys = Vec::new();
    let mut open = vec![(Vec::new(), serde_json::to_value(Layer::every_key()).unwrap_or_default())];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(section) => open.extend(
                section.into_iter().map(|(name, value)| ([path.as_slice(), &[name]].concat(), value)),
            ),
            value => keys.push((path, value)),
        }
    }
    keys
}

/// The variable of a key: `hooks.pre-receive` is `POLDER_HOOKS_PRE_RECEIVE`.
pub(super) fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_ascii_uppercase().replace('-', "_"))
}

fn nest(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, key| Value::Object(Map::from_iter([(key.clone(), inner)])))
}
