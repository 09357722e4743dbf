//! Pushes a second by many clients at once: ours durable, the peer's as git comes.

use std::time::{Duration, Instant};

use crate::Scale;
use crate::cgi;
use crate::figures::{Figures, Goal};
use crate::git_requests::{push, require_pushed};
use crate::http::Client;
use crate::hub::Hub;
use crate::tools::{Result, Tools};
use crate::world::{PUSHERS, World};

pub(crate) fn measure(
    tools: &Tools,
    world: &World,
    hub: &Hub,
    scale: Scale,
    figures: &mut Figures,
) -> Result<()> {
    let (ours_each, peers_each) = (scale.pushes_each, (scale.pushes_each / 10).max(2));
    let (mut ours, mut peers) = (0.0_f64, 0.0_f64);
    for round in 0..scale.rounds {
        let took = all_at_once(|pusher| {
            let mut client = Client::connect(hub.address)?;
            (0..ours_each).try_for_each(|n| {
                let request = push(world, usize::try_from(n)?, &format!("many-{round}-{n}"))?;
                require_pushed(&hub.ask(&mut client, &format!("p{pusher}"), &request)?)
            })
        })?;
        ours = ours.max(f64::from(PUSHERS * ours_each) / took.as_secs_f64());
        let took = all_at_once(|pusher| {
            (0..peers_each).try_for_each(|n| {
                let request = push(world, usize::try_from(n)?, &format!("many-{round}-{n}"))?;
                let answer = cgi::answer(tools, &world.root, &format!("p{pusher}.git"), &request)?;
                require_pushed(&answer)
            })
        })?;
        peers = peers.max(f64::from(PUSHERS * peers_each) / took.as_secs_f64());
    }
    let rate = |rate: f64| format!("{rate:.0}/s");
    figures.add(
        "pushes, ours durable, 16 clients",
        rate(ours),
        rate(peers),
        ours / peers,
        Goal::AtLeast(3.0),
    );
    Ok(())
}

fn all_at_once(work: impl Fn(u32) -> Result<()> + Sync) -> Result<Duration> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..PUSHERS).map(|pusher| scope.spawn(move || work(pusher))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_panic| "a client panicked")?)
    })?;
    Ok(begun.elapsed())
}
