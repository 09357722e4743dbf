use polder_types::{Gate, Role};

use super::*;

/// Knowing hashes is no right to bytes: neither what someone else sent nor what lies in a repository that one
/// cannot read can be named, and the answer is that for what nobody has.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_names_what_they_neither_sent_nor_may_read() {
    let fixture = fixture().await;
    let (hub, carol) = (&fixture.hub, carol(&fixture).await);
    let (closed, open) = (fixture.writer("acme/closed").await, fixture.writer("acme/open").await);
    let (secret, waiting, nowhere) =
        (Made::cut(&noise(1, 200_000)), Made::of(&[b"sent by alice"]), Made::of(&[b"nowhere"]));
    send(hub, &closed, &secret).await.expect("taken");
    accept(hub, &closed, &shard(&[Said::of(&[(&secret, secret.all())])], &[])).await.expect("accepted");
    send(hub, &open, &waiting).await.expect("taken");

    let mut answers = Vec::new();
    for xorb in [&secret, &waiting, &nowhere] {
        let refused = accept(hub, &carol, &shard(&[Said::of(&[(xorb, 0..1)])], &[])).await;
        let refused = refused.expect_err("not hers");
        answers.push((refused.kind(), refused.message().replace(&xorb.hash.to_string(), "X")));
        let refused =
            accept(hub, &carol, &shard(&[], std::slice::from_ref(xorb))).await.expect_err("not hers");
        answers.push((refused.kind(), refused.message().replace(&xorb.hash.to_string(), "X")));
    }
    assert_eq!(
        answers,
        vec![(Kind::Invalid, "xorb X is not known; upload again, and all of it is sent".to_owned()); 6]
    );
    // What alice sent for one repository is not sent for another.
    let elsewhere = accept(hub, &closed, &shard(&[Said::of(&[(&waiting, 0..1)])], &[])).await;
    assert_eq!(elsewhere.expect_err("sent elsewhere").kind(), Kind::Invalid);

    // She may read acme/closed, and anyone may read acme/open.
    let part = Said::of(&[(&secret, 0..1)]);
    accept(hub, &open, &shard(&[part], &[])).await.expect("hers to read");
    let open_to_all = Said::of(&[(&secret, 0..1)]);
    let not_yet = accept(hub, &carol, &shard(std::slice::from_ref(&open_to_all), &[])).await;
    assert_eq!(not_yet.expect_err("its own place is closed").kind(), Kind::Invalid);
    send(hub, &open, &secret).await.expect("taken");
    accept(hub, &open, &shard(&[Said::of(&[(&secret, secret.all())])], &[])).await.expect("accepted");
    accept(hub, &carol, &shard(&[open_to_all], &[])).await.expect("anyone's to read");
}

/// A token for one repository reads no other private one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_repository_names_nothing_of_another() {
    let fixture = fixture().await;
    let (hub, closed) = (&fixture.hub, fixture.writer("acme/closed").await);
    let secret = Made::of(&[b"secret"]);
    send(hub, &closed, &secret).await.expect("taken");
    accept(hub, &closed, &shard(&[Said::of(&[(&secret, 0..1)])], &[])).await.expect("accepted");
    let narrow = TokenRequest {
        user: name("alice"),
        scope: Role::Write,
        repos: vec![repo("acme/open")],
        lifetime_seconds: None,
    };
    let narrow = fixture.login(narrow).await;
    let open = hub.write(&narrow, &repo("acme/open")).await.expect("may write");
    let refused = accept(hub, &open, &shard(&[Said::of(&[(&secret, 0..1)])], &[])).await;
    assert_eq!(refused.expect_err("another repository").kind(), Kind::Invalid);
}

/// An xorb is read to its end and answered alike whether it is here, elsewhere or nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn taking_an_xorb_does_not_tell_who_has_it() {
    let fixture = fixture().await;
    let (hub, carol) = (&fixture.hub, carol(&fixture).await);
    let closed = fixture.writer("acme/closed").await;
    let (secret, fresh) = (Made::of(&[b"secret"]), Made::of(&[b"fresh"]));
    send(hub, &closed, &secret).await.expect("taken");
    for xorb in [&secret, &fresh, &secret, &fresh] {
        send(hub, &carol, xorb).await.expect("taken");
        let cut = Made { body: xorb.body[..xorb.body.len() - 1].to_vec(), ..xorb.clone() };
        assert_eq!(send(hub, &carol, &cut).await.expect_err("read to its end").kind(), Kind::Invalid);
    }
    assert_eq!(stored(hub).1, 3, "each sender's own");
}

/// One hash can be of a chunk and of an xorb, or of a chunk list and of the nodes over it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_one_kind_does_not_pass_for_another() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::cut(&noise(2, 3_000_000));
    send(hub, &grant, &xorb).await.expect("taken");
    let bytes = xorb.bytes[0].clone();
    let one = Made::of(&[&bytes]);
    assert_eq!(one.hash.as_bytes(), xorb.chunks[0].hash.as_bytes());
    let as_xorb = accept(hub, &grant, &shard(&[Said::of(&[(&one, 0..1)])], &[])).await;
    assert!(as_xorb.expect_err("a chunk is no xorb").message().contains("is not known"));
    // The nodes over the chunks, as if they were the chunks: the same hash of the whole.
    let nodes = Made { chunks: xorb.chunks.chunks(9).map(node).collect(), ..xorb.clone() };
    let refused = accept(hub, &grant, &shard(&[], &[nodes])).await.expect_err("no chunks");
    assert!(refused.message().contains("has other chunks"), "{refused}");
}

/// Something with the form of an inner node.
fn node(below: &[Chunk]) -> Chunk {
    Chunk {
        hash: ChunkHash::new(*xorb_hash(below.to_vec()).as_bytes()),
        size_bytes: below.iter().map(|chunk| chunk.size_bytes).sum(),
    }
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

/// 64 MiB of zeros in 300 KB are taken, in little memory; more are not, nor chunks that do not end.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_fills_no_memory() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    // One literal zero, then a match of 131,066 at distance 1, then five literals.
    let match_bytes = 131_072 - 1 - 5 - 4 - 15;
    let block = [
        &[0x1f, 0, 1, 0][..],
        &vec![255; match_bytes / 255],
        &[u8::try_from(match_bytes % 255).expect("small")],
        &[0x50, 0, 0, 0, 0, 0],
    ]
    .concat();
    let frame = |block: &[u8]| {
        let mut data = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73];
        data.extend(u32::try_from(block.len()).expect("small").to_le_bytes());
        data.extend_from_slice(block);
        data.extend([0; 4]);
        let header =
            FrameHeader { scheme: polder_xet::Scheme::Lz4, packed_bytes: data.len(), size_bytes: 131_072 };
        [&header.encode()[..], &data].concat()
    };
    let zeros = vec![0; 131_072];
    let hash = |count: usize| xorb_hash(vec![chunk(&zeros); count]);
    let before = peak_bytes();
    let full = frame(&block).repeat(512);
    assert!(full.len() < 300_000);
    hub.xet_take_xorb(&grant, hash(512), body(&[&full])).await.expect("as much as may be");
    let more = frame(&block).repeat(513);
    let refused = hub.xet_take_xorb(&grant, hash(513), body(&[&more])).await.expect_err("too much");
    assert!(refused.message().contains("more than 64 MiB"), "{refused}");
    let endless = frame(&[&block[..4], &vec![255; 60_000], &[0, 0x50, 0, 0, 0, 0, 0]].concat());
    let refused = hub.xet_take_xorb(&grant, hash(1), body(&[&endless])).await.expect_err("a bomb");
    assert_eq!(refused.kind(), Kind::Invalid);
    let grown = peak_bytes() - before;
    assert!(grown < 24 << 20, "{grown} bytes");
}

/// A small upload does not stand for a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_not_repeated_without_end() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[&noise(1, 131_072)]);
    send(hub, &grant, &xorb).await.expect("taken");
    let times = 64 * (64 << 20) / 131_072 + 1;
    let file = Said { bytes: Vec::new(), ..repeated(&xorb, times) };
    let refused = accept(hub, &grant, &shard(&[file], &[])).await.expect_err("4 GiB of 128 KiB");
    assert!(refused.message().contains("repeat"), "{refused}");
    assert_eq!(stored(hub).0, 0);
}

fn repeated(xorb: &Made, times: usize) -> Said {
    let mut tree = FileHasher::default();
    (0..times).for_each(|_| tree.push(xorb.chunks[0]));
    Said {
        hash: tree.finish(),
        terms: vec![(xorb.hash, xorb.chunks[0].size_bytes, 0..1); times],
        ranges: Some(vec![RangeHash::of(&xorb.chunks); times]),
        sha256: None,
        bytes: Vec::new(),
    }
}

/// A public repository with a gate is open to see and not to read: who was not let in names nothing of it, and is
/// told of nothing, until the gate is gone.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_names_what_lies_behind_a_gate_that_is_closed_to_them() {
    let fixture = fixture().await;
    let (hub, carol) = (&fixture.hub, carol(&fixture).await);
    let open = fixture.writer("acme/open").await;
    let gated = Made::cut(&noise(3, 200_000));
    send(hub, &open, &gated).await.expect("taken");
    let file = Said::of(&[(&gated, gated.all())]);
    accept(hub, &open, &shard(std::slice::from_ref(&file), &[])).await.expect("accepted");
    hub.set_gate(&repo("acme/open"), Some(Gate::Manual)).await.expect("gated");

    let kept = stored(hub);
    for run in [0..1, gated.all()] {
        let shard = shard(&[Said::of(&[(&gated, run)])], &[]);
        let refused = accept(hub, &carol, &shard).await.expect_err("not let in");
        assert_eq!(refused.kind(), Kind::Invalid);
        assert!(refused.message().starts_with(&format!("xorb {} is not known", gated.hash)), "{refused}");
    }
    let hint = async || {
        let chunk = gated.chunks[0].hash;
        hub.xet_hint(&carol.as_read(), &Secret::new("carol"), chunk).await.expect("asked")
    };
    assert!(hint().await.is_none(), "told of a chunk");
    let asked = hub.xet_file(&carol.as_read(), file.hash).await.expect_err("not hers");
    assert_eq!((asked.kind(), stored(hub)), (Kind::NotFound, kept));

    hub.set_gate(&repo("acme/open"), None).await.expect("open");
    assert!(hint().await.is_some());
    accept(hub, &carol, &shard(&[file], &[])).await.expect("anyone's to read");
}
