//! Clients written in Python.

use std::path::Path;

use crate::{Done, program, run, workspace_root};

/// Runs a script in the pinned environment of `.tools/venv`, in `dir`.
pub fn python(dir: &Path, script: &str, args: &[&str]) -> Done {
    let mut command = program("/usr/bin/timeout");
    command
        .args(["-k", "5", "120"])
        .arg(workspace_root().join(".tools/venv/bin/python"))
        .args(["-c", script])
        .args(args)
        .current_dir(dir)
        .env("HOME", dir)
        .env("PYTHONWARNINGS", "ignore");
    run(&mut command)
}
