//! What is larger, or more, than most: a file that the clients fetch no other way than chunk by chunk, a folder of
//! very many files, a tree with very many entries.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use polder_tests::{HubClient, LargeObject, Memory, Work};

use crate::Place;

/// More than `MAX_HTTP_DOWNLOAD_SIZE` of `huggingface_hub` 2.4.0 `constants.py`.
const SIZE: u64 = 50_003_000_000;
/// Where it is not zeros: a mebibyte at each place.
const MARKS: [u64; 3] = [0, 25_000_000_001, SIZE - (1 << 20)];
/// What `sha256sum` says of it.
const OID: &str = "90220466bfaf5d83ba56975d0413e8b5321862b2065da0af5da91e74a420aa20";

/// A sparse file.
fn write_huge(path: &std::path::Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    for (seed, at) in (60..).zip(MARKS) {
        file.write_all_at(&LargeObject::random(seed, 1 << 20).bytes, at).unwrap();
    }
}

const CHUNK_BY_CHUNK: &str = r"
import hashlib, sys
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.utils import build_hf_headers
from huggingface_hub.utils._xet import get_xet_session, refresh_xet_connection_info
from hf_xet import XetFileInfo
endpoint, token, work, size, *places = sys.argv[1:]
meta = get_hf_file_metadata(hf_hub_url('acme/huge', 'huge.bin', endpoint=endpoint), token=token)
assert meta.size == int(size), meta
headers = build_hf_headers(token=token)
at = refresh_xet_connection_info(file_data=meta.xet_file_data, headers=headers)
group = get_xet_session().new_download_stream_group(endpoint=at.endpoint, token=at.access_token,
    token_expiry_unix_secs=at.expiration_unix_epoch, token_refresh_url=meta.xet_file_data.refresh_route,
    token_refresh_headers=headers)
for place in places:
    start = int(place)
    hash = hashlib.sha256()
    file = XetFileInfo(meta.xet_file_data.file_hash, int(size))
    for piece in group.download_stream(file, start=start, end=start + (1 << 20)):
        hash.update(piece)
    print(hash.hexdigest())
";

/// Check 28. The client would fetch all of it; what it fetches it with reads the start, the middle and the end.
#[test]
fn a_file_of_more_than_50_gb_comes_chunk_by_chunk() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let (place, work) = (Place::new(), Work::new());
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize {SIZE}\n");
    work.write("huge.bin", pointer.as_bytes());
    work.ok(&["add", "."]);
    work.ok(&["commit", "-qm", "Huge"]);
    let git = work.path().join(".git");
    let object = git.join(format!("lfs/objects/{}/{}/{OID}", &OID[..2], &OID[2..4]));
    write_huge(&object);
    place.hub.cli(&["repo", "import", git.to_str().unwrap(), "acme/huge"]).ok();
    std::fs::remove_file(&object).unwrap();

    let url = place.hub.url("");
    let plain = client.clone().without_xet().hf(
        url.trim_end_matches('/'),
        Some(&place.ada),
        place.dir.path(),
        &["download", "acme/huge", "huge.bin"],
    );
    assert!(plain.fails().contains("too large"));
    let size = SIZE.to_string();
    let places = MARKS.map(|at| at.to_string());
    let args: Vec<&str> = std::iter::once(size.as_str()).chain(places.iter().map(String::as_str)).collect();
    let said = client.script(&place.hub, &place.ada, place.dir.path(), CHUNK_BY_CHUNK, &args).ok();
    let expected: Vec<String> = (60..63).map(|seed| LargeObject::random(seed, 1 << 20).oid).collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

/// Files of the folder.
const FILES: usize = 20_000;

#[test]
fn a_folder_of_very_many_small_files_goes_up_and_comes_down() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let client = client.for_seconds(290);
    let place = Place::new();
    let url = place.hub.url("");
    let hf = |args: &[&str]| client.hf(url.trim_end_matches('/'), Some(&place.ada), place.dir.path(), args);
    let content = |n: usize| format!("{n} of very many\n");
    for n in 0..FILES {
        let path = place.dir.path().join(format!("folder/{:03}/{n:05}.txt", n % 200));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content(n)).unwrap();
    }
    hf(&["upload", "acme/folder", "folder"]).ok();
    hf(&["download", "acme/folder", "--local-dir", "back"]).ok();
    for n in 0..FILES {
        let path = place.dir.path().join(format!("back/{:03}/{n:05}.txt", n % 200));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content(n), "{}", path.display());
    }
}

const LIST: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
entries = [entry.path for entry in HfApi(endpoint=endpoint, token=token).list_repo_tree('acme/wide', recursive=True)]
assert len(set(entries)) == len(entries)
print(len(entries))
";

/// A tree of 100,000 files in 100 folders, and what listing it page by page takes of memory.
#[test]
fn a_tree_of_100_000_entries_is_listed_page_by_page_in_little_memory() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let (place, work) = (Place::new(), Work::new());
    let file = |n: usize| {
        let content = format!("{n}\n");
        format!("M 100644 inline {:02}/{n:06}.txt\ndata {}\n{content}\n", n % 100, content.len())
    };
    let head =
        "commit refs/heads/main\ncommitter a <a@example.org> 1700000000 +0000\ndata 4\nwide\n".to_owned();
    let stream = std::iter::once(head).chain((0..100_000).map(file)).collect::<Vec<_>>().concat();
    work.git.with_input(&work.path(), &["fast-import", "--quiet"], stream.as_bytes()).ok();
    place.hub.repo("acme/wide");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/wide", &place.ada), "main"]);
    let memory = Memory::watch(place.hub.pid());
    let said = client.script(&place.hub, &place.ada, place.dir.path(), LIST, &[]).ok();
    assert_eq!(said.trim(), "100100");
    assert!(memory.growth_mib() < 64, "{} MiB more", memory.growth_mib());
}

/// X3: a file of several xorbs, through a hub that holds little of it.
#[test]
fn a_file_of_300_mb_goes_up_and_comes_down_chunk_by_chunk_in_little_memory() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let client = client.for_seconds(290);
    let (place, object) = (Place::new(), LargeObject::random(91, 300_000_000));
    let file = place.dir.path().join("w.bin");
    std::fs::write(&file, &object.bytes).unwrap();
    let url = place.hub.url("");
    let hf = |args: &[&str]| client.hf(url.trim_end_matches('/'), Some(&place.ada), place.dir.path(), args);
    let memory = Memory::watch(place.hub.pid());
    hf(&["upload", "acme/much", "w.bin"]).ok();
    hf(&["download", "acme/much", "w.bin", "--local-dir", "back"]).ok();
    assert!(std::fs::read(place.dir.path().join("back/w.bin")).unwrap() == object.bytes);
    println!("{} MiB more", memory.growth_mib());
    assert!(memory.growth_mib() < 200, "{} MiB more", memory.growth_mib());
    crate::xet::until_fetched(&place.hub, 0);
    let log = place.hub.log();
    let xorbs = log.lines().filter(|line| line.contains("/v1/xorbs/")).count();
    assert!(xorbs >= 5, "{log}");
}
