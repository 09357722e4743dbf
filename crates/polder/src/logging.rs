//! The log: standard error, plain or JSON, as the configuration says.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts the log of this process; a second call changes nothing. `otherwise` is the level when
/// none is configured.
pub(crate) fn start(log: &Log, otherwise: &str) {
    let directives = log.level.as_deref().unwrap_or(otherwise);
    let filter = EnvFilter::builder().parse_lossy(directives);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Plain => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was already started");
    }
}
