//! A small disk of our own, whose power can be cut.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{poll, program, run};

/// An ext4 file system in a file, mounted.
///
/// Source: reference/security-reliability.md §7; `shutdown` drops every byte that was not synced,
/// journal included, as a power cut does.
#[derive(Debug)]
pub struct LoopFs {
    root: TempDir,
    device: String,
}

impl LoopFs {
    /// Makes and mounts one; needs what [`crate::Client::LoopMount`] names.
    #[track_caller]
    pub fn ext4(size_mebibytes: u64) -> Self {
        let root = TempDir::with_prefix("polder-disk-").expect("a temporary directory");
        let image = root.path().join("image");
        let file = std::fs::File::create(&image).expect("make the image");
        file.set_len(size_mebibytes << 20).expect("size the image");
        run(program("mkfs.ext4").args(["-q", "-F"]).arg(&image)).ok();
        std::fs::create_dir(root.path().join("mount")).expect("make the mount point");
        let device = run(program("losetup").args(["-f", "--show"]).arg(&image)).ok();
        let disk = Self { root, device };
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("mount")
    }

    #[track_caller]
    fn mount(&self) {
        run(program("mount").arg(&self.device).arg(self.path())).ok();
    }

    /// Makes the file system read-only, as Linux does when it finds an error on the disk.
    #[track_caller]
    pub fn turn_read_only(&self) {
        run(program("mount").args(["-o", "remount,errors=remount-ro"]).arg(self.path())).ok();
        let name = self.device.rsplit('/').next().expect("a device has a name");
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        std::fs::write(&trigger, "a test").unwrap_or_else(|error| panic!("{trigger}: {error}"));
    }

    /// Makes the system forget every file it holds in memory: the next read is of the disk.
    #[track_caller]
    pub fn forget_pages(&self) {
        run(program("sync").arg("-f").arg(self.path())).success();
        let mut forget =
            std::fs::OpenOptions::new().write(true).open("/proc/sys/vm/drop_caches").expect("root");
        std::io::Write::write_all(&mut forget, b"1").expect("forget the pages");
    }

    /// Cuts the power. Programs that use the disk see I/O errors until [`LoopFs::power_on`].
    #[track_caller]
    pub fn cut_power(&self) {
        run(program("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path())).ok();
    }

    /// Mounts it again after a cut; nothing may hold it open any more.
    #[track_caller]
    pub fn power_on(&self) {
        let unmounted = poll(20, || run(program("umount").arg(self.path())).success().then_some(()));
        assert!(unmounted.is_some(), "something still uses {}", self.path().display());
        self.mount();
    }

    /// Fills the disk but for `left` bytes, with one file of that name.
    pub fn fill(&self, name: &str, left: u64) -> PathBuf {
        let path = self.path().join(name);
        let free = free_bytes(&self.path());
        let bytes = free.saturating_sub(left);
        run(program("fallocate").args(["-l", &bytes.to_string()]).arg(&path)).ok();
        path
    }
}

fn free_bytes(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).expect("statvfs");
    stat.f_bavail * stat.f_frsize
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        let _unmounted = run(program("umount").arg("-l").arg(self.path()));
        let _detached = run(program("losetup").arg("-d").arg(&self.device));
    }
}
