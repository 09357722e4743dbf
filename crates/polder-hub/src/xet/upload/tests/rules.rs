use super::*;

/// What is refused leaves no object, no link, no file; and the xorbs wait on.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_holds_in_all_or_nothing_of_it_is_kept() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let [one, two, three, four] = [1, 2, 3, 4].map(|seed| noise(seed, 10_000));
    let xorb = Made::of(&[&one, &two, &three]);
    let other = Made::of(&[&four]);
    send(hub, &grant, &xorb).await.expect("taken");
    send(hub, &grant, &other).await.expect("taken");
    let tiny = Made::of(&[&b"tiny"[..]; 9]);
    send(hub, &grant, &tiny).await.expect("taken");
    let good = Said::of(&[(&xorb, 0..2)]);
    let file = Said::of(&[(&xorb, 1..3), (&other, 0..1)]);
    let unsent = Made::of(&[b"never sent"]);
    let change = |change: &dyn Fn(&mut Said)| {
        let mut file = file.clone();
        change(&mut file);
        vec![good.clone(), file]
    };
    let longer = |xorb: &Made| Made { chunks: [&xorb.chunks[..], &[chunk(b"x")]].concat(), ..xorb.clone() };
    let table: Vec<(&str, Vec<Said>, Vec<Made>)> = vec![
        ("is not known", vec![good.clone(), Said::of(&[(&unsent, 0..1)])], vec![]),
        ("is not known", vec![good.clone()], vec![unsent.clone()]),
        ("has other chunks", vec![good.clone()], vec![longer(&xorb)]),
        ("does not have", change(&|file| file.terms[0].2 = 1..4), vec![]),
        ("does not have", change(&|file| file.terms[0].2.end = 0), vec![]),
        ("does not have", change(&|file| file.terms[0].2 = 1..1), vec![]),
        ("another length", change(&|file| file.terms[0].1 += 1), vec![]),
        ("without verification", change(&|file| file.ranges = None), vec![]),
        ("verification fails", change(&|file| file.ranges.as_mut().unwrap()[1] = RangeHash::of(&[])), vec![]),
        ("another hash", change(&|file| file.hash = FileHash::new([1; 32])), vec![]),
        ("another SHA-256", change(&|file| file.sha256 = Some(sha256(b"forged"))), vec![]),
        ("too many chunks", vec![good.clone(), Said::of(&[(&tiny, 0..9)])], vec![]),
        ("in the shard twice", vec![good.clone(), good.clone()], vec![]),
    ];
    for (why, files, xorbs) in table {
        let refused = accept(hub, &grant, &shard(&files, &xorbs)).await.expect_err(why);
        assert_eq!(refused.kind(), Kind::Invalid, "{refused}");
        assert!(refused.message().contains(why), "{refused}");
        assert_eq!(stored(hub), (0, 3), "{why}");
        assert!(hub.db.list_blobs(None, 9).await.expect("rows").is_empty(), "{why}");
    }
    for broken in [&b"no shard"[..], &shard(std::slice::from_ref(&good), &[])[..100], &[]] {
        assert_eq!(accept(hub, &grant, broken).await.expect_err("broken").kind(), Kind::Invalid);
    }
    // Without a SHA-256, as some clients send it, the object goes by its own.
    let unnamed = Said { sha256: None, ..file.clone() };
    accept(hub, &grant, &shard(&[good, unnamed], &[xorb, other])).await.expect("accepted");
    assert!(read(hub, &grant, sha256(&file.bytes)).await.expect("linked") == file.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_xorb_that_is_not_what_its_name_says_is_refused() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[b"one", b"two"]);
    let body_of = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = xorb.body.clone();
        change(&mut body);
        Made { body, ..xorb.clone() }
    };
    let table = [
        ("another hash", Made { hash: Made::of(&[b"one"]).hash, ..xorb.clone() }),
        ("another hash", body_of(&|body| body[9] ^= 1)),
        ("cut short", body_of(&|body| body.truncate(body.len() - 1))),
        ("header", body_of(&|body| body.extend([9; 8]))),
        ("another hash", body_of(&|body| body.extend(Made::of(&[b"three"]).body))),
        ("no chunks", body_of(&|body| body.clear())),
        ("header", body_of(&|body| body[0] = 1)),
    ];
    for (why, wrong) in table {
        let refused = send(hub, &grant, &wrong).await.expect_err(why);
        assert_eq!(refused.kind(), Kind::Invalid, "{refused}");
        let message = refused.message();
        assert!(message.contains(why) && message.contains(&wrong.hash.to_string()), "{why}: {message}");
        assert_eq!(stored(hub), (0, 0), "{why}");
    }
    let refused = accept(hub, &grant, &shard(&[Said::of(&[(&xorb, 0..1)])], &[])).await;
    assert_eq!(refused.expect_err("nothing was kept").kind(), Kind::Invalid);
    send(hub, &grant, &xorb).await.expect("taken");
}

/// The first clients send an xorb with its footer.
#[tokio::test(flavor = "multi_thread")]
async fn a_footer_may_follow_if_it_is_true() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[b"one", b"two"]);
    let mut reader = polder_xet::XorbReader::default();
    reader.push(&xorb.body, &mut |_, _| {}).expect("an xorb");
    let footer = polder_xet::xorb_footer(xorb.hash, &reader.finish().expect("whole").frames);
    let with = |footer: &[u8]| Made { body: [&xorb.body[..], footer].concat(), ..xorb.clone() };
    let mut other = footer.clone();
    other[10] ^= 1;
    for wrong in [&other[..], &footer[1..], &[&footer[..], b"\0"].concat()] {
        assert_eq!(send(hub, &grant, &with(wrong)).await.expect_err("no footer").kind(), Kind::Invalid);
    }
    send(hub, &grant, &with(&footer)).await.expect("taken");
    let file = Said::of(&[(&xorb, 0..2)]);
    accept(hub, &grant, &shard(&[file], &[])).await.expect("accepted");
    assert_eq!(read(hub, &grant, sha256(b"onetwo")).await.expect("linked"), b"onetwo");
}
