//! Requests that are long, or become long when they are read: what each costs, at most.
//!
//! Stock git, for comparison: 1.8 MB of gzip that hold 200 MB of haves cost `git http-backend` 401 MB of memory
//! and 3.6 seconds (git 2.39).

use polder_tests::{FLUSH, Memory, pkt, zero};

use crate::compression::gzip;
use crate::place::{CAPABILITIES, FETCH_TYPE, PUSH_TYPE, Place, refuses};

/// Most that a compressed one may add to the server's memory (attack A21).
const COMPRESSED_GROWTH_MIB_MAX: u64 = 32;
/// The same for one of up to 16 MiB as sent.
const GROWTH_MIB_MAX: u64 = 64;
/// Most memory of its own that the server may have in use after all of them.
const PEAK_MIB_MAX: u64 = 88;

struct Flood {
    name: &'static str,
    service: &'static str,
    protocol: u8,
    gzip: bool,
    body: Vec<u8>,
}

fn fetch(lines: &[u8]) -> Vec<u8> {
    [&pkt("command=fetch\n")[..], &pkt("object-format=sha1")[..], b"0001", lines, &pkt("done\n"), FLUSH]
        .concat()
}

/// Ids that are the hash of nothing and share all but their last bytes.
fn lines(word: &str, count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| pkt(format!("{word} {n:040x}\n"))).collect()
}

fn compressed() -> Vec<Flood> {
    let haves = pkt(format!("have {}\n", "1".repeat(40))).repeat(4_000_000);
    let bomb = gzip(&fetch(&haves));
    assert!(bomb.len() < 2_000_000);
    let whole = gzip(&fetch(&[]));
    let flood =
        |name, service, body: &[u8]| Flood { name, service, protocol: 2, gzip: true, body: body.to_vec() };
    let mut all = Vec::new();
    for service in ["git-upload-pack", "git-receive-pack"] {
        all.extend([
            flood("200 MB of haves in 1 MB of gzip", service, &bomb),
            flood("gzip in gzip", service, &gzip(&bomb)),
            flood("gzip in gzip in gzip", service, &gzip(&gzip(&bomb))),
            flood("half of it", service, &bomb[..bomb.len() / 2]),
            flood("gzip that is cut in its check", service, &whole[..whole.len() - 3]),
            flood("gzip and then something else", service, &[&whole[..], b"0000"].concat()),
            flood(
                "a member with it after another",
                service,
                &[&gzip(&pkt("command=fetch\n"))[..], &bomb].concat(),
            ),
            flood(
                "half a million empty members, then something else",
                service,
                &[&gzip(b"").repeat(500_000)[..], b"x"].concat(),
            ),
        ]);
    }
    all
}

fn plain() -> Vec<Flood> {
    let flood = |name, service, protocol, body| Flood { name, service, protocol, gzip: false, body };
    let update = |n: u32| pkt(format!("{} {n:040x} refs/heads/b{n}", zero()));
    let first = pkt(format!("{} {} refs/heads/a\0 {CAPABILITIES}", zero(), "1".repeat(40)));
    let updates: Vec<u8> = (0..100_000).flat_map(update).collect();
    let many_shallow = [&lines("shallow", 100_000)[..], &first, FLUSH].concat();
    let long_name =
        [&pkt(format!("{} {} refs/heads/{}", zero(), "1".repeat(40), "n".repeat(60_000)))[..], FLUSH]
            .concat();
    let capabilities = [
        &pkt(format!("{} {} refs/heads/a\0 report-status{}", zero(), "1".repeat(40), " x=y".repeat(15_000)))
            [..],
        FLUSH,
    ]
    .concat();
    vec![
        flood("300,000 wants, protocol 2", "git-upload-pack", 2, fetch(&lines("want", 300_000))),
        flood(
            "300,000 wants, protocol 0",
            "git-upload-pack",
            0,
            [&lines("want", 300_000)[..], FLUSH, &pkt("done\n")].concat(),
        ),
        flood("a million wants", "git-upload-pack", 2, fetch(&lines("want", 1_000_000))),
        flood(
            "300,000 ends of history",
            "git-upload-pack",
            2,
            fetch(&[&lines("shallow", 250_000)[..], &lines("want", 1)].concat()),
        ),
        flood("300,000 empty packets", "git-upload-pack", 2, fetch(&b"0004".repeat(300_000))),
        flood("100,000 changes of refs", "git-receive-pack", 0, [&first[..], &updates, FLUSH].concat()),
        flood("100,000 shallow lines", "git-receive-pack", 0, many_shallow),
        flood("a name of 60,000 bytes", "git-receive-pack", 0, long_name),
        flood("15,000 capabilities nobody knows, no pack", "git-receive-pack", 0, capabilities),
        flood("a million empty packets", "git-receive-pack", 0, b"0004".repeat(1_000_000)),
        flood("a packet of 65,521 bytes", "git-receive-pack", 0, [&b"fff1"[..], &[b'a'; 65_517]].concat()),
        flood("protocol 2 to the wrong service", "git-receive-pack", 2, fetch(&[])),
    ]
}

#[test]
fn every_flood_is_refused_within_its_memory() {
    let place = Place::new();
    // What a first request makes once and keeps is not the flood's.
    refuses("nothing known", &place.fetch(2, fetch(&lines("want", 1))));
    for make in [compressed, plain] {
        for Flood { name, service, protocol, gzip, body } in make() {
            let memory = Memory::watch(place.hub.pid());
            let kind = if service == "git-upload-pack" { FETCH_TYPE } else { PUSH_TYPE };
            let mut request =
                place.post(service, kind, body).header("Git-Protocol", &format!("version={protocol}"));
            if gzip {
                request = request.header("Content-Encoding", "gzip");
            }
            // It may hang up while the client still sends; if it answers, it is in words.
            let answer = request.try_send();
            let growth = memory.growth_mib();
            let peak = memory.own_peak_mib();
            println!("{service}: {name}: {growth} MiB more, {peak} MiB at the peak");
            if let Some(answer) = answer {
                refuses(&format!("{service}: {name}"), &answer);
            }
            let most = if gzip { COMPRESSED_GROWTH_MIB_MAX } else { GROWTH_MIB_MAX };
            assert!(growth <= most && peak <= PEAK_MIB_MAX, "{service}: {name}: {growth} MiB, {peak} MiB");
        }
    }
    place.is_unchanged();
    assert!(
        !place.hub.log().contains("ERROR"),
        "the sender's mistakes are not the hub's: {}",
        place.hub.log()
    );
}

#[test]
fn haves_that_are_the_hash_of_nothing_are_answered() {
    let place = Place::new();
    let memory = Memory::watch(place.hub.pid());
    let wants = pkt(format!("want {}\n", place.tip));
    let answer = place.fetch(2, fetch(&[&wants[..], &lines("have", 250_000)].concat())).expect(200);
    assert!(answer.body.windows(4).any(|four| four == b"PACK"), "the pack, as if nothing had been said");
    assert!(memory.growth_mib() <= GROWTH_MIB_MAX, "{} MiB", memory.growth_mib());
    place.is_unchanged();
}
