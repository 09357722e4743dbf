//! What the log says of repositories: ref maps and manifests.

use super::*;

const NOT_SIGNED: &str = "the ref map of `liar` is not the one that was signed";

#[tokio::test(flavor = "multi_thread")]
async fn another_ref_map_is_named() {
    const ATTACKS: [Attack; 4] = [
        (
            "refs of before",
            |home| {
                let (newest, first) = (home.open.newest.to_string(), home.open.first.to_string());
                home.says(move |asked, map| {
                    let map = || String::from_utf8(map.to_vec()).unwrap().replace(&newest, &first);
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(map().into()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
        (
            "a ref more",
            |home| {
                let line = format!("{} refs/heads/more\n", home.open.first);
                home.says(move |asked, map| {
                    let map = || [map, line.as_bytes()].concat();
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(map().into()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
        (
            "unsorted",
            |home| {
                home.says(|asked, map| {
                    let lines = || map.split_inclusive(|byte| *byte == b'\n').rev().collect::<Vec<_>>();
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(lines().concat().into()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
        (
            "cut off",
            |home| {
                home.says(|asked, map| {
                    let short = || Bytes::copy_from_slice(&map[..map.len() - 1]);
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(short()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
    ];
    attack_all(&ATTACKS).await;
}

type Alter = fn(&mut Vec<u8>);

/// As many objects as need a manifest, of which only git's side is taken.
#[tokio::test(flavor = "multi_thread")]
async fn another_manifest_is_named() {
    let home = Home::new().await;
    let mut pointers = Vec::new();
    for number in 0..300 {
        let object = put(&home.place, "acme/open", &noise(1_000 + number, 20)).await;
        let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
        pointers.push(Change::WritePointer { path: format!("part{number}"), pointer });
    }
    let newest = commit_all(&home.place, "acme/open", pointers).await;
    home.place.hub.sequence_once().await.expect("sequenced");
    let lies: [(&str, Alter); 3] = [
        ("an entry less", |manifest| manifest.truncate(manifest.len() - 80)),
        ("another entry", |manifest| *manifest.last_mut().unwrap() ^= 1),
        ("another count", |manifest| manifest[0] ^= 1),
    ];
    for (what, lie) in lies {
        let asked = Arc::new(AtomicUsize::new(0));
        let evil = || {
            let asked = Arc::clone(&asked);
            home.says(move |question, manifest| {
                matches!(question, Question::Manifest(..)).then(|| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let mut manifest = manifest.to_vec();
                    lie(&mut manifest);
                    Said::This(manifest.into())
                })
            })
        };
        let follower = Follower::taking(&home, MirrorMode::Lazy).await;
        let words = "the manifest of `liar` is not the one that was signed";
        assert_eq!(
            follower.sync(vec![Source::home(Arc::new(evil()))]).await.as_deref(),
            Some(words),
            "{what}"
        );
        assert_eq!(follower.state().await, Some(MirrorState::Quarantined), "{what}");
        assert_eq!(follower.shown().await, None, "{what}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{what}");

        let follower = Follower::taking(&home, MirrorMode::Lazy).await;
        let honest = Source::mirror(Arc::new(home.peer("honest")), HONEST.to_owned());
        let sources = vec![Source::home(Arc::new(evil())), honest];
        assert_eq!(follower.sync(sources).await, None, "{what}");
        assert_eq!(follower.shown().await, Some(vec![format!("refs/heads/main {newest}")]), "{what}");
        let upstream = follower.hub().db.upstream(follower.log).await.expect("read").expect("there");
        assert_eq!(upstream.last_error.as_deref(), Some(words), "{what}");
    }
}
