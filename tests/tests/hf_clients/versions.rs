//! Everything a publisher and a reader do, with each version of `huggingface_hub` (checks 3–7, 14–16, 18,
//! 21–23, 29–32, 37–42, 49; with Xet 8 and 9).

use polder_tests::{HUB_VERSIONS, HubClient, Work};

use crate::Place;

pub(crate) const CYCLE: &str = include_str!("cycle.py");

/// Once without Xet and once with it. File objects go by LFS with either (check 9), and so does everything of the
/// versions before 1.20, which let the hub choose (check 49).
fn whole_cycle(version: &str) {
    assert!(HUB_VERSIONS.contains(&version));
    let Some(client) = HubClient::of(version) else { return };
    let chooses_xet = !["0.36.2", "1.19.0"].contains(&version);
    for (client, chunks) in [(client.clone().without_xet(), false), (client, chooses_xet)] {
        let place = Place::new();
        let said = client.script(&place.hub, &place.ada, place.dir.path(), CYCLE, &[]).ok();
        assert!(said.ends_with(&format!("done with {version}")), "{said}");
        let log = place.hub.log();
        assert!(log.contains("/info/lfs/objects/batch"), "{log}");
        assert_eq!(log.contains("/v1/xorbs/"), chunks, "{log}");
        place.hub.fsck();
    }
}

#[test]
fn huggingface_hub_0_36_publishes_and_reads() {
    whole_cycle("0.36.2");
}

#[test]
fn huggingface_hub_1_19_publishes_and_reads() {
    whole_cycle("1.19.0");
}

#[test]
fn huggingface_hub_1_33_publishes_and_reads() {
    whole_cycle("1.33.0");
}

#[test]
fn huggingface_hub_2_4_publishes_and_reads() {
    whole_cycle("2.4.0");
}

const UPLOAD: &str = r"
import os, sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
api.create_repo('acme/cloned')
os.makedirs('source/data')
open('source/weights.bin', 'wb').write(os.urandom(300_000))
open('source/data/a b.strange', 'wb').write(b'\0' + os.urandom(1000))
open('source/README.md', 'w').write('# A model\n')
api.upload_folder(repo_id='acme/cloned', folder_path='source')
";

/// Check 6: what `hf upload` made, git and git-lfs clone.
#[test]
fn a_clone_of_an_uploaded_folder_is_byte_identical() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    if !polder_tests::have(&[polder_tests::Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), UPLOAD, &[]).ok();
    let work = Work::new();
    let target = work.beside("cloned");
    work.git.ok(&work.beside(""), &["lfs", "install"]);
    work.git
        .ok(&work.beside(""), &["clone", "-q", &place.hub.repo_url("acme/cloned"), target.to_str().unwrap()]);
    for file in ["weights.bin", "data/a b.strange", "README.md"] {
        let sent = std::fs::read(place.dir.path().join("source").join(file)).unwrap();
        assert!(std::fs::read(target.join(file)).unwrap() == sent, "{file}");
    }
    assert_eq!(work.git.ok(&target, &["status", "--porcelain"]), "");
    work.git.fsck(&target);
}
