//! Reading an object while it comes.

use super::*;

async fn read_all(arrival: &Arrival, from: u64, to: u64) -> (Vec<u8>, Result<()>) {
    let mut read = Vec::new();
    let mut at = from;
    loop {
        match arrival.read(at, to).await {
            Ok(bytes) if bytes.is_empty() => return (read, Ok(())),
            Ok(bytes) => {
                at += u64::try_from(bytes.len()).expect("small");
                read.extend_from_slice(&bytes);
            }
            Err(error) => return (read, Err(error)),
        }
    }
}

fn coming(arriving: Arriving) -> Arrival {
    match arriving {
        Arriving::Coming(arrival) => arrival,
        Arriving::Here(_) => panic!("it is not here yet"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_follow_an_object_as_it_comes_and_all_share_one_transfer() {
    let (fixture, object) = (fixture().await, Object::new(noise(20, 40 * MIB)));
    let wanted = object.wanted(fixture.open_repo().await);
    let source = object.source("a", Slow(1));
    let open = async || fixture.hub.open_or_fetch(wanted, all(&[&source]), patient()).await.expect("begun");
    let (first, second) = (coming(open().await), coming(open().await));
    let size = first.size_bytes();
    // One from the start, one that wants the end first.
    let (whole, tail) = tokio::join!(read_all(&first, 0, size), read_all(&second, size - 9_000_000, size));
    whole.1.expect("whole");
    tail.1.expect("whole");
    assert!(whole.0 == object.content && tail.0 == object.content[object.content.len() - 9_000_000..]);
    assert!(source.sent() <= size, "fetched once");
    assert!(matches!(open().await, Arriving::Here(_)));
    fixture.require(&object).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_stream_is_held_back_from_what_proves_to_be_wrong() {
    let (fixture, object) = (fixture().await, Object::new(noise(21, 20 * MIB)));
    // Nothing but the whole can tell that this source lies.
    let wanted = Wanted { xet: None, ..object.wanted(fixture.open_repo().await) };
    let source = object.source("liar", Lying(19_999_999));
    let arriving = fixture.hub.open_or_fetch(wanted, all(&[&source]), patient()).await.expect("begun");
    let arrival = coming(arriving);
    let (read, ended) = read_all(&arrival, 0, arrival.size_bytes()).await;
    assert_eq!(ended.expect_err("cut").kind(), Kind::Unavailable);
    assert!(read.len() <= 12 * MIB, "{} bytes were given out", read.len());
    let (small, ended) = read_all(&arrival, 5, 10).await;
    assert!(small.is_empty() && ended.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_come_at_the_same_moment_begin_one_transfer() {
    let (fixture, object) = (fixture().await, Object::new(noise(22, 12 * MIB)));
    let wanted = object.wanted(fixture.open_repo().await);
    let source = object.source("a", Slow(1));
    let size = u64::try_from(object.content.len()).expect("small");
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (hub, sources) = (fixture.hub.clone(), all(&[&source]));
        readers.spawn(async move {
            match hub.open_or_fetch(wanted, sources, patient()).await.expect("begun") {
                Arriving::Coming(arrival) => read_all(&arrival, 0, size).await,
                Arriving::Here(_) => panic!("it takes longer than that"),
            }
        });
    }
    while let Some(read) = readers.join_next().await {
        let (read, ended) = read.expect("no panic");
        ended.expect("whole");
        assert!(read == object.content);
    }
    assert!(source.sent() <= size, "fetched once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_what_proves_to_be_wrong_is_cut_and_one_of_nothing_is_none() {
    let (fixture, object) = (fixture().await, Object::new(noise(23, 20 * MIB)));
    let wanted = Wanted { xet: None, ..object.wanted(fixture.open_repo().await) };
    let open = async |source: &Arc<Source>| {
        let options = patient();
        coming(fixture.hub.open_or_fetch(wanted, all(&[source]), options).await.expect("begun"))
    };
    let liar = object.source("liar", Lying(19_999_999));
    let mut stream = open(&liar).await.stream(0..wanted.size_bytes).await.expect("it begins well");
    let (mut read, mut cut) = (0, None);
    while let Some(bytes) = stream.recv().await {
        match bytes {
            Ok(bytes) => read += bytes.len(),
            Err(error) => cut = Some(error),
        }
    }
    assert!(cut.is_some() && read <= 12 * MIB, "{read} bytes, {cut:?}");
    let dead = object.source("dead", Broken);
    let refused = open(&dead).await.stream(0..wanted.size_bytes).await;
    assert_eq!(refused.expect_err("nothing came").kind(), Kind::Unavailable);
    // Nothing of it is remembered.
    let honest = object.source("honest", Honest);
    let mut stream = open(&honest).await.stream(5..wanted.size_bytes).await.expect("it comes");
    let mut read = Vec::new();
    while let Some(bytes) = stream.recv().await {
        read.extend_from_slice(&bytes.expect("right"));
    }
    assert!(read == object.content[5..]);
}
