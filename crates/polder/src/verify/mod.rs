//! `polder verify`: a clone from anywhere against what the hub of a key has signed.

mod files;
mod refs;
mod report;
mod source;

use polder_git::{LocalClone, audit, open_clone, verify_pack};
use polder_log::SignedRepo;

pub(crate) use self::report::Report;
use self::source::ProofSource;
use crate::Error;
use crate::cli::Verify;

/// Checks the clone. The proof comes first, so that nothing is said of a clone by an unsigned word.
pub(crate) async fn run(verify: Verify) -> Result<Report, Error> {
    let scratch =
        tempfile::tempdir().map_err(|error| Error::caused_by("cannot make a temporary directory", error))?;
    let clone = tokio::task::block_in_place(|| open_clone(&verify.dir, scratch.path()))
        .map_err(|error| Error::caused_by("cannot open the clone", error))?;
    let source = ProofSource::choose(verify.proof, verify.from.as_deref(), clone.origin_url.as_deref())?;
    let proof = source.read().await?;
    let signed = proof.verify(&verify.key).map_err(|fault| {
        Error::caused_by(format!("the proof from {source} is not one by this key"), fault)
    })?;
    if let Some(path) = verify.write_proof {
        let bytes = proof.encode().map_err(|error| Error::caused_by("cannot write the proof", error))?;
        std::fs::write(&path, bytes).map_err(|error| Error::io("cannot write", &path, error))?;
    }
    tokio::task::block_in_place(|| check(&clone, &signed))
}

fn check(clone: &LocalClone, signed: &SignedRepo) -> Result<Report, Error> {
    let mut report = Report::new(signed, clone.warnings.clone());
    let refs = refs::compare(&signed.refs, clone.snapshot.refs(), clone.files.is_none(), clone.head);
    report.problems.extend(refs.problems);
    (report.refs, report.refs_not_cloned) = (refs.right, refs.not_cloned);
    for pack in clone.snapshot.packs() {
        if let Err(error) = verify_pack(pack, true) {
            report.problems.push(Error::caused_by("a pack is damaged", error).to_string());
        }
    }
    let reached = audit(&clone.snapshot).map_err(|error| Error::caused_by("cannot walk the clone", error))?;
    report.objects = reached.objects;
    report.problems.extend(reached.problems);
    let files = files::check(clone, &reached.pointers)?;
    report.problems.extend(files.problems);
    (report.files, report.files_not_downloaded) = (files.right, files.not_downloaded);
    Ok(report)
}
