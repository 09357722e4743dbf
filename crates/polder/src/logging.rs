//! The log: standard error, plain or JSON, as the configuration says.

use std::io::{self, Write};

use polder_types::without_secrets;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts the log of this process; a second call changes nothing. `otherwise` is the level when
/// none is configured.
pub(crate) fn start(log: &Log, otherwise: &str) {
    let directives = log.level.as_deref().unwrap_or(otherwise);
    let filter = EnvFilter::builder().parse_lossy(directives);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| WithoutSecrets);
    let started = match log.format {
        LogFormat::Plain => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was already started");
    }
}

/// Standard error, without the secrets that a client may have put anywhere. Gets whole lines.
struct WithoutSecrets;

impl Write for WithoutSecrets {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(without_secrets(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
