//! A hub, and another one that mirrors it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::counter::Counter;
use crate::http::{Answer, Client};
use crate::hub::Hub;
use crate::tools::{Result, Tools, output};

/// How long anything may take to be mirrored.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often is looked whether it is, once it has taken this long.
const PAUSE: Duration = Duration::from_millis(1);

/// The mirror reaches its home through a counter.
pub(super) struct Pair {
    pub(super) home: Hub,
    mirror: Hub,
    pub(super) counter: Counter,
}

impl Pair {
    /// Starts both; `fill` makes what is there before anything is mirrored.
    pub(super) fn start(
        tools: &Tools,
        directory: &Path,
        fill: impl FnOnce(&Hub) -> Result<()>,
    ) -> Result<Self> {
        let places = ["home", "mirror"].map(|name| directory.join(name));
        places.iter().try_for_each(std::fs::create_dir)?;
        let [home_place, mirror_place] = &places;
        let start = |door: SocketAddr| {
            let hub = Hub::start_as(tools, home_place, Some(door))?;
            let address = hub.address;
            Ok((hub, address))
        };
        let (home, counter) = Counter::open(start)?;
        fill(&home)?;
        let mirror = Hub::start(tools, mirror_place)?;
        let url = format!("http://{}", counter.address);
        mirror.command(&["follow", &url, "--alias", "bench=home"])?;
        Ok(Self { home, mirror, counter })
    }

    /// How long it takes until the mirror answers for a repository as `wanted`.
    pub(super) fn until(&self, repo: &str, wanted: impl Fn(&Answer) -> bool) -> Result<Duration> {
        let start = Instant::now();
        let target = format!("/home/{repo}.git/info/refs?service=git-upload-pack");
        let mut client = Client::connect(self.mirror.address)?;
        while start.elapsed() < PATIENCE {
            if wanted(&client.ask("GET", &target, &[], b"")?) {
                return Ok(start.elapsed());
            }
            std::thread::sleep(PAUSE);
        }
        Err(format!("{repo} is not mirrored: {}", self.mirror.command(&["mirrors"])?).into())
    }

    /// Has the mirror try again now whatever it would try later.
    pub(super) fn sync(&self) -> Result<()> {
        self.mirror.command(&["sync", "--now"]).map(drop)
    }

    /// Processor time of the mirror while `work` runs.
    pub(super) fn cpu_of_mirror(&self, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
        self.mirror.cpu(work)
    }

    /// A clone of `bench/m` that can push.
    pub(super) fn clone_of(&self, tools: &Tools, directory: &Path) -> Result<PathBuf> {
        let url = format!("http://{}/bench/m.git", self.home.address);
        output(tools.git(directory).args(["clone", "--quiet", &url, "work"]))?;
        Ok(directory.join("work"))
    }

    /// Commits a file and pushes it; the commit's id.
    pub(super) fn push(&self, tools: &Tools, work: &Path, file: &str, content: &str) -> Result<String> {
        std::fs::write(work.join(file), content)?;
        output(tools.git(work).args(["add", file]))?;
        output(tools.git(work).args(["commit", "--quiet", "-m", "change"]))?;
        let header = format!("http.extraHeader=Authorization: {}", self.home.authorization);
        output(tools.git(work).args(["-c", &header, "push", "--quiet", "origin", "HEAD"]))?;
        let id = output(tools.git(work).args(["rev-parse", "HEAD"]))?;
        Ok(String::from_utf8(id)?.trim().to_owned())
    }
}

/// Whether the answer lists refs, and `text` among them.
pub(super) fn shows(answer: &Answer, text: &str) -> bool {
    answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(text)
}
