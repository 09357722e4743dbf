//! What was stopped goes on.

use std::fs;
use std::sync::{Arc, Mutex};

use super::super::layout::{Contents, PART_BYTES_MIN, part_name};
use super::{Gap, is_same, quiet};
use crate::tests::{fixture, write};
use crate::{BundleRequest, Progress};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_goes_on_when_it_is_run_again() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let place = fixture().await;
    // It dies when it has begun with the first repository.
    let (began, began_at) = tokio::sync::oneshot::channel();
    let began = Mutex::new(Some(began));
    let say: Progress = Arc::new(move |line: &str| {
        if line.contains(": event")
            && let Some(began) = began.lock().unwrap().take()
        {
            began.send(()).unwrap();
        }
    });
    let (hub, dir, key) = (place.hub.clone(), gap.at("one"), gap.key().await);
    let task = tokio::spawn(async move { hub.import_bundle(&dir, Some(key), say).await });
    began_at.await.expect("it began");
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    // As a hub does that starts.
    place.hub.db.release_mirrors().await.expect("released");
    let imported = place.hub.import_bundle(&gap.at("one"), None, quiet()).await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (2, 0));
    assert!(is_same(&gap, &place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_stopped_goes_on_after_the_parts_that_are_good() {
    let gap = Gap::new().await;
    // What is there while the fourth piece of the object is to be written.
    let (from, to) = (gap.at("one"), [gap.at("stopped"), gap.at("damaged")]);
    let say: Progress = Arc::new(move |line: &str| {
        if line.contains(": 196608 of 300000 bytes") {
            for to in &to {
                fs::create_dir(to).expect("made");
                for file in fs::read_dir(&from).expect("read").map(|file| file.expect("read")) {
                    fs::copy(file.path(), to.join(file.file_name())).expect("copied");
                }
            }
        }
    });
    let request = |to: &str| BundleRequest {
        dir: gap.at(to),
        origin: None,
        select: Vec::new(),
        since: None,
        file_size: PART_BYTES_MIN,
    };
    gap.home.hub.export_bundle(request("one"), say).await.expect("exported");
    let first = gap.at("damaged").join(part_name(1));
    let mut bytes = fs::read(&first).expect("read");
    bytes[100] ^= 1;
    fs::write(&first, bytes).expect("written");
    for (name, went_on) in [("stopped", true), ("damaged", false)] {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let say: Progress = Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
        // What is new meanwhile is for the next bundle.
        gap.commit("acme/m", write("README.md", name)).await;
        gap.home.hub.export_bundle(request(name), say).await.expect("exported");
        let lines = lines.lock().unwrap().join("\n");
        assert_eq!(lines.contains("goes on after"), went_on, "{name}: {lines}");
        assert_eq!(lines.contains("checking 000002.part"), went_on, "{name}: {lines}");
        let place = fixture().await;
        let imported = gap.import(&place, name).await.expect("imported");
        assert_eq!((imported.ready, imported.troubled.len()), (2, 0), "{name}");
        let [one, same] = ["one", name].map(|at| Contents::read(&gap.at(at)).expect("read"));
        assert_eq!((one.size, one.stream_bytes()), (same.size, same.stream_bytes()), "{name}");
    }
}
