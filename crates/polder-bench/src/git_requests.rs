//! Processor time of one git request: our server against the process chain of `git http-backend`.

use std::time::Duration;

use crate::Scale;
use crate::cgi::{self, GitRequest};
use crate::figures::{Figures, Goal};
use crate::http::Client;
use crate::hub::Hub;
use crate::tools::{Result, Tools};
use crate::world::{PUSH_SHARE, World};

/// What `git ls-remote` and the first step of `git fetch` send (protocol v2).
pub(crate) fn ls_refs() -> GitRequest {
    let lines = ["command=ls-refs\n", "agent=bench\n", "object-format=sha1"];
    let arguments =
        ["peel\n", "symrefs\n", "ref-prefix HEAD\n", "ref-prefix refs/heads/\n", "ref-prefix refs/tags/\n"];
    upload_pack(&lines, &arguments)
}

/// What `git clone` asks for after that.
pub(crate) fn full_clone(head: &str) -> GitRequest {
    let lines = ["command=fetch", "agent=bench", "object-format=sha1"];
    let want = format!("want {head}\n");
    upload_pack(&lines, &["thin-pack", "no-progress", "ofs-delta", &want, "done\n"])
}

fn upload_pack(lines: &[&str], arguments: &[&str]) -> GitRequest {
    let pkt = |line: &&str| format!("{:04x}{line}", line.len() + 4);
    let lines = lines.iter().map(pkt).collect::<Vec<_>>().concat();
    let arguments = arguments.iter().map(pkt).collect::<Vec<_>>().concat();
    let body = format!("{lines}0001{arguments}0000").into_bytes();
    GitRequest { method: "POST", tail: "/git-upload-pack", protocol: Some("version=2"), body }
}

fn advertisement() -> GitRequest {
    let tail = "/info/refs?service=git-upload-pack";
    GitRequest { method: "GET", tail, protocol: None, body: Vec::new() }
}

/// The push of one commit onto a branch of its own.
pub(crate) fn push(world: &World, number: usize, branch: &str) -> Result<GitRequest> {
    let push = world.pushes.get(number).ok_or("not enough pushes were made")?;
    let body = push.body(branch);
    Ok(GitRequest { method: "POST", tail: "/git-receive-pack", protocol: None, body })
}

/// Requires that an answer to a push says that it was taken.
pub(crate) fn require_pushed(answer: &[u8]) -> Result<()> {
    let said = String::from_utf8_lossy(answer);
    if said.contains("unpack ok") && said.contains("ok refs/heads/") { Ok(()) } else { Err(said.into()) }
}

pub(crate) fn measure(
    tools: &Tools,
    world: &World,
    hub: &Hub,
    scale: Scale,
    figures: &mut Figures,
) -> Result<()> {
    for (what, request, goal) in [
        ("CPU per ls-refs", ls_refs(), Goal::AtLeast(20.0)),
        ("CPU per v0 advertisement", advertisement(), Goal::AtLeast(20.0)),
        ("CPU per full clone, 300 objects", full_clone(&world.head), Goal::None),
    ] {
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            let mut client = Client::connect(hub.address)?;
            ours.push(hub.cpu(|| {
                (0..scale.requests).try_for_each(|_| hub.ask(&mut client, "m", &request).map(drop))
            })?);
            peers.push(cgi::chain_cpu(|| {
                (0..scale.peer_requests)
                    .try_for_each(|_| cgi::answer(tools, &world.root, "m.git", &request).map(drop))
            })?);
        }
        add(figures, what, least(&ours) / scale.requests, least(&peers) / scale.peer_requests, goal);
    }
    measure_pushes(tools, world, hub, scale, figures)
}

fn measure_pushes(
    tools: &Tools,
    world: &World,
    hub: &Hub,
    scale: Scale,
    figures: &mut Figures,
) -> Result<()> {
    let (ours_count, peer_count) = (scale.requests / PUSH_SHARE, scale.peer_requests);
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..scale.rounds {
        let mut client = Client::connect(hub.address)?;
        ours.push(hub.cpu(|| {
            (0..ours_count).try_for_each(|n| {
                let request = push(world, usize::try_from(n)?, &format!("one-{round}-{n}"))?;
                require_pushed(&hub.ask(&mut client, "p0", &request)?)
            })
        })?);
        peers.push(cgi::chain_cpu(|| {
            (0..peer_count).try_for_each(|n| {
                let request = push(world, usize::try_from(n)?, &format!("one-{round}-{n}"))?;
                require_pushed(&cgi::answer(tools, &world.root, "p0.git", &request)?)
            })
        })?);
    }
    add(
        figures,
        "CPU per push of one commit",
        least(&ours) / ours_count,
        least(&peers) / peer_count,
        Goal::None,
    );
    Ok(())
}

fn add(figures: &mut Figures, what: &'static str, ours: Duration, peer: Duration, goal: Goal) {
    let times_less = peer.as_secs_f64() / ours.as_secs_f64().max(1e-9);
    figures.add(what, millis(ours), millis(peer), times_less, goal);
}

fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The figure that was disturbed least.
pub(crate) fn least(times: &[Duration]) -> Duration {
    times.iter().min().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_takes_every_request_that_is_replayed() {
        let tools = Tools::find().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let scale = Scale { requests: 20, pushes_each: 2, ..crate::QUICK };
        let world = World::make(&tools, directory.path(), scale).unwrap();
        let ask = |request: &GitRequest| {
            let answer = cgi::answer(&tools, &world.root, "m.git", request).unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        };
        let head = format!("{} HEAD symref-target:refs/heads/main", world.head);
        assert!(ask(&ls_refs()).contains(&head));
        assert!(ask(&advertisement()).contains(&format!("{} HEAD\0", world.head)));
        let clone = ask(&full_clone(&world.head));
        // The first pkt-lines of the pack are short: its last header byte comes alone. 0x012c is 300.
        assert!(clone.contains("packfile\n") && clone.contains("PACK\0\0\0\u{2}\0\0\u{1}"));
        assert!(clone.contains("\u{1},"));
        let before = cgi::chain_cpu(|| Ok(())).unwrap();
        assert_eq!(before, Duration::ZERO);
        for number in 0..2 {
            let pushed = push(&world, number, &format!("b{number}")).unwrap();
            require_pushed(ask(&pushed).as_bytes()).unwrap();
            assert!(require_pushed(ask(&pushed).as_bytes()).is_err(), "the branch is there now");
        }
    }
}
