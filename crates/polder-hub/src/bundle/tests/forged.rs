//! What is damaged or forged is named, and not taken.

use std::fs;
use std::path::Path;

use super::super::layout::{CURSOR, Contents, INDEX, Whole, part_name};
use super::super::row::{Kind as ItemKind, Row};
use super::{Gap, MIRROR, is_same, quiet, shown};
use crate::Kind;
use crate::tests::fixture;

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_byte_in_any_file_is_named_and_nothing_is_taken() {
    let gap = Gap::new().await;
    gap.export("good", |_| {}).await.expect("exported");
    let place = fixture().await;
    let mut files: Vec<_> =
        fs::read_dir(gap.at("good")).expect("read").map(|file| file.unwrap().path()).collect();
    files.retain(|path| !path.ends_with(CURSOR));
    files.sort();
    for (number, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let dir = gap.copy("good", &format!("bad-{number}"));
        let mut bytes = fs::read(file).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(dir.join(name), &bytes).expect("written");
        let error = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await.expect_err("refused");
        assert!(error.kind() == Kind::Invalid && error.message().contains(name), "{name}: {error}");
        bytes.pop();
        fs::write(dir.join(name), &bytes).expect("written");
        let error = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await.expect_err("refused");
        assert!(error.kind() == Kind::Invalid && error.message().contains(name), "{name}: {error}");
        fs::remove_file(dir.join(name)).expect("removed");
        let error = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await.expect_err("refused");
        assert!(error.kind() == Kind::NotFound && error.message().contains(name), "{name}: {error}");
    }
    assert!(files.len() >= 8 && place.hub.list_followed().await.expect("read").is_empty());
}

/// Changes one byte of an item, and all hashes of the bundle to fit.
fn forge(dir: &Path, kind: ItemKind, place: impl FnOnce(&[u8]) -> usize) {
    let mut contents = Contents::read(dir).expect("read");
    let index = fs::read(dir.join(INDEX)).expect("read");
    let (rows, _) = index.as_chunks::<{ Row::BYTES }>();
    let mut rows = rows.iter().map(|row| Row::decode(row).expect("a row"));
    let row = rows.find(|row| row.key.kind == kind && row.span.bytes > 40).expect("there is one");
    let mut stream: Vec<u8> = Vec::new();
    for number in 1..=contents.parts.len() {
        stream.extend(fs::read(dir.join(part_name(number))).expect("read"));
    }
    let span = usize::try_from(row.span.offset).unwrap()..usize::try_from(row.span.end()).unwrap();
    let item = &mut stream[span];
    let at = place(item);
    item[at] ^= 1;
    let size = usize::try_from(contents.file_size).unwrap();
    for (number, part) in stream.chunks(size).enumerate() {
        fs::write(dir.join(part_name(number + 1)), part).expect("written");
        contents.parts[number] = Whole::of(part);
    }
    contents.write(dir).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_forger_makes_fit_together_is_still_refused_and_named() {
    let gap = Gap::new().await;
    gap.export("good", |_| {}).await.expect("exported");
    let middle = |item: &[u8]| item.len() / 2;
    for (kind, says) in [
        (ItemKind::Page, "bundle"),
        (ItemKind::Refs, "the ref map of `bundle"),
        (ItemKind::Pack, "pack"),
        (ItemKind::Object, "bundle"),
        (ItemKind::List, "as the chunk list"),
    ] {
        let place = fixture().await;
        let dir = gap.copy("good", &format!("forged-{kind:?}"));
        forge(&dir, kind, middle);
        let imported = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await;
        match (kind, imported) {
            (ItemKind::Page, Err(error)) => assert!(error.message().contains(says), "{error}"),
            (ItemKind::Page, Ok(imported)) => panic!("{imported:?}"),
            (_, imported) => {
                let imported = imported.expect("the log is good");
                let (_, why) =
                    imported.troubled.iter().find(|(path, _)| path == "acme/m").expect("it is named");
                assert!(why.contains(says), "{kind:?}: {why}");
            }
        }
        assert_eq!(shown(&place.hub, MIRROR).await, None, "{kind:?}");
        // The good one still can be taken.
        gap.import(&place, "good").await.expect("imported");
        assert!(is_same(&gap, &place).await, "{kind:?}");
    }
}
