use std::os::unix::fs::FileExt as _;

use polder_xet::{ChunkList, EXTENTS_BYTES_MAX, Extent};

use super::large_objects::put;
use super::*;

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_gets_a_public_object_its_chunks_and_places_of_it() {
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(1_000_000));
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let open = hub.public_object(oid).await.expect("public");
    let mut read = vec![0; 1_000_000];
    open.file.read_exact_at(&mut read, 0).expect("read");
    assert!(read == content && open.size_bytes == 1_000_000);

    let whole = ChunkList::decode(&hub.public_chunks(oid, 0, u32::MAX).await.expect("a list")).expect("good");
    let count = whole.header.chunks;
    let mut pages = whole.header.encode().to_vec();
    for from in (0..count).step_by(5) {
        let page = hub.public_chunks(oid, from, 5).await.expect("a page");
        assert_eq!(page[..82], whole.header.encode());
        pages.extend_from_slice(&page[82..]);
    }
    assert_eq!(ChunkList::decode(&pages), Ok(whole));
    for from in [count, u32::MAX] {
        assert_eq!(hub.public_chunks(oid, from, 5).await.expect("an empty page").len(), 82);
    }

    let places = [Extent { offset: 999_990, size_bytes: 10 }, Extent { offset: 3, size_bytes: 70_000 }];
    let bytes = hub.public_extents(oid, &Extent::encode_all(&places)).await.expect("bytes");
    assert!(bytes[..10] == content[999_990..] && bytes[10..] == content[3..70_003]);
    let outside = [Extent { offset: 999_990, size_bytes: 11 }];
    let beyond = [Extent { offset: u64::MAX, size_bytes: 1 }];
    let too_much = [Extent { offset: 0, size_bytes: u32::try_from(EXTENTS_BYTES_MAX).expect("small") + 1 }];
    for bad in [&outside, &beyond, &too_much] {
        let error = hub.public_extents(oid, &Extent::encode_all(bad)).await.err().expect("refused");
        assert_eq!(error.kind(), Kind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_public_is_as_one_that_is_not_here() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let hidden = put(&fixture, "acme/closed", b"weights").await.oid;
    let missing = polder_types::Sha256::new([1; 32]);
    let request = Extent::encode_all(&[Extent { offset: 0, size_bytes: 1 }]);
    let told = async |oid| {
        let errors = [
            hub.public_object(oid).await.expect_err("refused"),
            hub.public_chunks(oid, 0, 1).await.expect_err("refused"),
            hub.public_extents(oid, &request).await.err().expect("refused"),
        ];
        errors.map(|error| (error.kind(), error.message().replace(&oid.to_string(), "")))
    };
    assert_eq!(told(hidden).await, told(missing).await);
    assert_eq!(told(missing).await[0].0, Kind::NotFound);
    // Public in one place is public; and no longer, once that place is private or gone.
    let open = hub.live_repo(&repo("acme/open")).await.expect("there").id;
    assert!(hub.db.link_blob(open, &hidden).await.expect("linked"));
    hub.public_object(hidden).await.expect("public now");
    hub.set_visibility(&repo("acme/open"), Visibility::Private).await.expect("hidden");
    assert_eq!(told(hidden).await, told(missing).await);
    hub.set_gate(&repo("acme/open"), Some(polder_types::Gate::Auto)).await.expect("gated");
    hub.set_visibility(&repo("acme/open"), Visibility::Public).await.expect("shown");
    assert_eq!(told(hidden).await, told(missing).await, "gated");
    hub.set_gate(&repo("acme/open"), None).await.expect("no gate");
    hub.public_object(hidden).await.expect("public again");
    hub.delete_repo(&repo("acme/open")).await.expect("deleted");
    assert_eq!(told(hidden).await, told(missing).await);
}
