//! What a hook sees of a repository.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::files::create_dir;
use super::{ExportPack, packs, refs};
use crate::{Error, Result, Snapshot};

/// Nothing that a hook's own git would do by itself may happen: no maintenance, no hooks, no monitor.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\thooksPath = /dev/null\n\
                      \tfsmonitor = false\n\tlogAllRefUpdates = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
                      [receive]\n\tautogc = false\n";

/// Writes a read-only bare repository for hooks into the new directory `dir`: the `GIT_DIR`, with its
/// objects in `objects`, which is also `GIT_OBJECT_DIRECTORY` and `GIT_QUARANTINE_PATH`.
///
/// `snapshot` gives the refs as they are before the push (without hidden ones), `packs` all packs, the
/// quarantined one among them. Packs are copied: a hook runs as the hub's user, so neither permissions nor
/// a hard or symbolic link would keep it from damaging a stored pack. The copy is the kernel's, which shares
/// blocks on XFS and Btrfs. Nothing is made durable; the view lives as long as the hook.
///
/// # Errors
/// [`Error::Corrupt`] if a pack is not what its hash says; [`Error::Io`] if writing fails.
pub fn write_view(snapshot: &Snapshot, dir: &Path, packs: &[ExportPack]) -> Result<()> {
    let parts = ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"];
    for part in parts {
        create_dir(&dir.join(part))?;
    }
    packs::add(&dir.join("objects/pack"), packs, packs::Durability::Scratch)?;
    let head = format!("ref: {}\n", snapshot.head());
    let refs = refs::packed(snapshot.visible_refs());
    let files = [("config", CONFIG.as_bytes()), ("HEAD", head.as_bytes()), ("packed-refs", &refs)];
    for (name, content) in files {
        let path = dir.join(name);
        let written = std::fs::write(&path, content)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(0o444)));
        written.map_err(|error| Error::io("write a view for hooks", path.display(), error))?;
    }
    Ok(())
}
