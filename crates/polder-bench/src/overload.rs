//! What is left of the best rate when far more is asked than there are places for.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::figures::{Figures, Goal};
use crate::git_requests::full_clone;
use crate::http::Client;
use crate::hub::Hub;
use crate::tools::Result;
use crate::world::World;

/// Clients that one account may have answered at once by default.
const PLACES: u32 = 16;
/// Clients for each place.
const TIMES: u32 = 20;
/// How soon a refused client asks again: fifty times sooner than it is told to.
const IMPATIENCE: Duration = Duration::from_millis(100);
/// How soon the hub must be itself again afterwards.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Outcome {
    answered: u32,
    refused: Vec<Duration>,
}

/// Full clones a second by as many clients as there are places, and by twenty times as many.
pub(crate) fn measure(world: &World, hub: &Hub, scale: Scale, figures: &mut Figures) -> Result<()> {
    let window = Duration::from_secs(5) * scale.rounds;
    let peak = load(hub, world, PLACES, window)?;
    let mut over = load(hub, world, PLACES * TIMES, window)?;
    let ended = Instant::now();
    let mut client = Client::connect(hub.address)?;
    hub.ask(&mut client, "m", &full_clone(&world.head))?;
    let recovery = ended.elapsed();

    let rate = |outcome: &Outcome| f64::from(outcome.answered) / window.as_secs_f64();
    let shown = |rate: f64| format!("{rate:.0}/s");
    let (goodput, best) = (rate(&over), rate(&peak));
    figures.add(
        "clones at 20x the places, at 1x",
        shown(goodput),
        shown(best),
        goodput / best,
        Goal::AtLeast(0.8),
    );
    over.refused.sort_unstable();
    let last = over.refused.len().saturating_sub(1);
    let slow = over.refused.get(last.saturating_mul(99) / 100).copied().unwrap_or_default();
    let (slow, limit) = (slow.as_secs_f64() * 1e3, 100.0);
    let what = "  99 % of refusals sooner than";
    figures.add(what, format!("{slow:.0} ms"), format!("{limit:.0} ms"), slow / limit, Goal::AtMost(1.0));
    let (recovery, limit) = (recovery.as_secs_f64(), RECOVERY_MAX.as_secs_f64());
    let what = "  served again after";
    figures.add(
        what,
        format!("{recovery:.2} s"),
        format!("{limit:.0} s"),
        recovery / limit,
        Goal::AtMost(1.0),
    );
    let (peak_mib, limit) = (hub.peak_memory_mib()?, 512.0);
    let what = "  most memory so far";
    figures.add(
        what,
        format!("{peak_mib:.0} MiB"),
        format!("{limit:.0} MiB"),
        peak_mib / limit,
        Goal::AtMost(1.0),
    );
    Ok(())
}

/// What all clients together were answered.
fn load(hub: &Hub, world: &World, clients: u32, window: Duration) -> Result<Outcome> {
    let request = full_clone(&world.head);
    let whole = Mutex::new(Outcome::default());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let one = || -> Result<()> {
            let mut own = Outcome::default();
            let mut client = Client::connect(hub.address)?;
            while begun.elapsed() < window {
                let asked = Instant::now();
                match hub.try_ask(&mut client, "m", &request)?.status {
                    200 => own.answered += 1,
                    429 | 503 => {
                        own.refused.push(asked.elapsed());
                        std::thread::sleep(IMPATIENCE);
                    }
                    other => return Err(format!("a clone was answered {other}").into()),
                }
            }
            let mut whole = whole.lock().map_err(|_poisoned| "a client panicked")?;
            whole.answered += own.answered;
            whole.refused.append(&mut own.refused);
            Ok(())
        };
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_panic| "a client panicked")?)
    })?;
    Ok(whole.into_inner().map_err(|_poisoned| "a client panicked")?)
}
