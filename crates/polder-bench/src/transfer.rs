//! Large objects: a GET against nginx's sendfile, a PUT against the hash alone.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sha2::Digest;

use crate::Scale;
use crate::cpu;
use crate::figures::{Figures, Goal};
use crate::git_requests::least;
use crate::http::Client;
use crate::hub::{Hub, require_success};
use crate::throughput::{free_address, wait_for};
use crate::tools::{Result, Running, Tools, program};

const BLOCK_BYTES: usize = 1 << 20;
/// Who is charged for the receiving side of a loopback connection changes from one GET to the next, so the
/// mean of many counts, taken by turns, and not the least.
const GETS_PER_ROUND: u32 = 8;

/// An object of any length that is made anew each time it is read.
#[derive(Debug, Clone, Copy)]
struct Object {
    /// Not zero.
    seed: u64,
    blocks: u64,
}

impl Object {
    fn size_bytes(self) -> u64 {
        self.blocks << 20
    }

    /// Hands out the object in blocks of 1 MiB: noise, with the number of the block at its start.
    fn for_each_block(self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut state = self.seed;
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        while block.len() < BLOCK_BYTES {
            // Xorshift: noise is all that is wanted.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_be_bytes());
        }
        for number in 0..self.blocks {
            if let Some(start) = block.get_mut(..8) {
                start.copy_from_slice(&number.to_be_bytes());
            }
            take(&block)?;
        }
        Ok(())
    }
}

pub(crate) fn measure(
    tools: &Tools,
    directory: &Path,
    hub: &Hub,
    scale: Scale,
    figures: &mut Figures,
) -> Result<()> {
    let (mut puts, mut hashes, mut stores, mut oids) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..scale.rounds {
        let object = Object { seed: 77 + u64::from(round), blocks: scale.object_bytes >> 20 };
        let (hash, oid) = hash_alone(object)?;
        hashes.push(hash);
        stores.push(hash_and_store_alone(object, &directory.join("alone"))?);
        puts.push(hub.cpu(|| put(hub, &oid, object))?);
        oids.push(oid);
    }
    let per_gib = |time: Duration| time.as_secs_f64() * f64::from(1 << 10) / mebibytes(scale);
    let shown = |seconds: f64| format!("{seconds:.2} s/GiB");
    let [ours, hash, store] = [&puts, &hashes, &stores].map(|times| per_gib(least(times)));
    figures.add(
        "CPU of a PUT and its chunk list, sha256 alone",
        shown(ours),
        shown(hash),
        ours / hash,
        Goal::None,
    );
    figures.add("  sha256, write and sync alone", shown(ours), shown(store), ours / store, Goal::None);
    figures.add("  in CPU s/GiB", shown(ours), String::new(), ours, Goal::AtMost(2.6));

    let Some(nginx) = &tools.nginx else {
        figures.missing("GET: needs nginx");
        return Ok(());
    };
    let oid = oids.first().ok_or("no object was stored")?;
    let object = Object { seed: 77, blocks: scale.object_bytes >> 20 };
    let (ours, peers) = get(nginx, directory, hub, oid, object, scale)?;
    let (ours, peers) = (per_gib(ours), per_gib(peers));
    figures.add("CPU of a GET, nginx sendfile", shown(ours), shown(peers), ours / peers, Goal::AtMost(1.5));
    Ok(())
}

/// Processor time of hashing an object in memory, and its hash.
fn hash_alone(object: Object) -> Result<(Duration, String)> {
    let before = cpu::of_thread()?;
    let mut hash = sha2::Sha256::new();
    object.for_each_block(|block| {
        hash.update(block);
        Ok(())
    })?;
    let digest = hash.finalize();
    let took = cpu::of_thread()?.saturating_sub(before);
    let oid =
        digest.iter().try_fold(String::new(), |mut text, byte| write!(text, "{byte:02x}").map(|()| text))?;
    Ok((took, oid))
}

/// Processor time of hashing an object and making it a durable file: what no server can do without.
fn hash_and_store_alone(object: Object, path: &Path) -> Result<Duration> {
    let before = cpu::of_thread()?;
    let (mut hash, mut file) = (sha2::Sha256::new(), File::create(path)?);
    object.for_each_block(|block| {
        hash.update(block);
        Ok(file.write_all(block)?)
    })?;
    file.sync_all()?;
    let took = cpu::of_thread()?.saturating_sub(before);
    std::hint::black_box(hash.finalize());
    std::fs::remove_file(path)?;
    Ok(took)
}

fn mebibytes(scale: Scale) -> f64 {
    u32::try_from(scale.object_bytes >> 20).map_or(f64::MAX, f64::from)
}

/// The action that a batch answer names for one object: where to send the request, and its headers.
struct Action {
    target: String,
    headers: Vec<(String, String)>,
}

fn batch(hub: &Hub, operation: &str, oid: &str, size_bytes: u64) -> Result<Action> {
    let body = serde_json::json!({
        "operation": operation, "transfers": ["basic"], "hash_algo": "sha256",
        "objects": [{ "oid": oid, "size": size_bytes }],
    });
    let kind = "application/vnd.git-lfs+json";
    let headers = [("authorization", hub.authorization.as_str()), ("accept", kind), ("content-type", kind)];
    let target = "/bench/m.git/info/lfs/objects/batch";
    let answer = Client::connect(hub.address)?.ask("POST", target, &headers, body.to_string().as_bytes())?;
    let answer: serde_json::Value = serde_json::from_slice(&require_success(target, answer)?)?;
    let action = answer.pointer(&format!("/objects/0/actions/{operation}"));
    let action = action.ok_or_else(|| format!("no {operation} in {answer}"))?;
    let href = action.get("href").and_then(serde_json::Value::as_str).ok_or("an action without href")?;
    let target = href.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    let headers = action.get("header").and_then(serde_json::Value::as_object).into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Ok(Action { target: target.ok_or("an href without a path")?.to_owned(), headers: headers.collect() })
}

fn put(hub: &Hub, oid: &str, object: Object) -> Result<()> {
    upload(hub, oid, object.size_bytes(), |client| object.for_each_block(|block| client.send(block)))
}

/// Uploads an object to `bench/m`, as git-lfs does; `write` sends its bytes.
pub(crate) fn upload(
    hub: &Hub,
    oid: &str,
    size_bytes: u64,
    write: impl FnOnce(&mut Client) -> Result<()>,
) -> Result<()> {
    let action = batch(hub, "upload", oid, size_bytes)?;
    let mut client = Client::connect(hub.address)?;
    let mut headers =
        action.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    headers.push(("content-type", "application/octet-stream"));
    client.send_head("PUT", &action.target, &headers, size_bytes, b"")?;
    write(&mut client)?;
    require_success("PUT", client.answer()?).map(drop)
}

/// Processor time of our server and of nginx for one GET of the same bytes.
fn get(
    nginx: &Path,
    directory: &Path,
    hub: &Hub,
    oid: &str,
    object: Object,
    scale: Scale,
) -> Result<(Duration, Duration)> {
    let folder = directory.join("nginx");
    std::fs::create_dir_all(&folder)?;
    let mut file = File::create(folder.join("object"))?;
    object.for_each_block(|block| Ok(file.write_all(block)?))?;
    let address = free_address()?;
    let configuration = folder.join("nginx.conf");
    std::fs::write(&configuration, nginx_configuration(&folder, address))?;
    let mut command = program(nginx);
    command.arg("-p").arg(&folder).arg("-c").arg(&configuration).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Running(command.spawn()?);
    wait_for(address)?;

    let action = batch(hub, "download", oid, object.size_bytes())?;
    let headers: Vec<_> =
        action.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (mut ours, mut peers) = (Duration::ZERO, Duration::ZERO);
    let gets = scale.rounds * GETS_PER_ROUND;
    // One more than counts: the first one warms both up.
    for get in 0..=gets {
        let took = hub.cpu(|| fetch(hub.address, &action.target, &headers, object))?;
        let before = cpu::of_process(server.0.id())?;
        fetch(address, "/object", &[], object)?;
        if get > 0 {
            ours += took;
            peers += cpu::of_process(server.0.id())?.saturating_sub(before);
        }
    }
    Ok((ours / gets, peers / gets))
}

fn fetch(address: SocketAddr, target: &str, headers: &[(&str, &str)], object: Object) -> Result<()> {
    let mut client = Client::connect(address)?;
    client.send_head("GET", target, headers, 0, b"")?;
    let received = client.discard_answer()?;
    if received == object.size_bytes() { Ok(()) } else { Err("not the whole object".into()) }
}

fn nginx_configuration(directory: &Path, address: SocketAddr) -> String {
    let root = directory.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let lines = kinds.map(|kind| format!("  {kind}_temp_path {root}/{kind};\n"));
    let temporary = lines.concat();
    format!(
        "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/error.log;\n\
         events {{ worker_connections 64; }}\nhttp {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n\
         {temporary}  server {{ listen {address}; root {root}; }}\n}}\n"
    )
}
