//! Pushes put together by hand, for what no client would send.

use crate::Work;

/// The flush packet.
pub const FLUSH: &[u8] = b"0000";

/// Git's "no object".
pub fn zero() -> String {
    "0".repeat(40)
}

/// One packet line.
pub fn pkt(line: impl AsRef<[u8]>) -> Vec<u8> {
    let line = line.as_ref();
    let mut out = format!("{:04x}", line.len() + 4).into_bytes();
    out.extend_from_slice(line);
    out
}

/// The body of `POST git-receive-pack`: `commands` are (old, new, ref name).
pub fn push_body(commands: &[(&str, &str, &str)], capabilities: &str, pack: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (place, (old, new, name)) in commands.iter().enumerate() {
        let tail = if place == 0 { format!("\0 {capabilities}") } else { String::new() };
        out.extend(pkt(format!("{old} {new} {name}{tail}")));
    }
    out.extend_from_slice(FLUSH);
    out.extend_from_slice(pack);
    out
}

/// A pack made by git of what `revisions` name (`main`, `^old`, …), one per line.
#[track_caller]
pub fn pack_of(work: &Work, revisions: &[&str]) -> Vec<u8> {
    pack_with(work, revisions, &["--delta-base-offset"])
}

/// The same with other flags, `--thin` for one.
#[track_caller]
pub fn pack_with(work: &Work, revisions: &[&str], flags: &[&str]) -> Vec<u8> {
    let args = [&["pack-objects", "-q", "--revs", "--stdout"], flags].concat();
    let done = work.git.with_input(&work.path(), &args, (revisions.join("\n") + "\n").as_bytes());
    done.ok();
    done.stdout
}

/// A pack made by git of exactly these objects, whatever they need.
#[track_caller]
pub fn pack_exactly(work: &Work, ids: &[&str]) -> Vec<u8> {
    let input: String = ids.iter().flat_map(|id| [*id, "\n"]).collect();
    let done = work.git.with_input(&work.path(), &["pack-objects", "-q", "--stdout"], input.as_bytes());
    done.ok();
    done.stdout
}

/// What a side-banded answer says, all bands and nested packets as one text; plain text as it is.
pub fn sideband_text(body: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some(length) = rest.get(..4).and_then(|four| str::from_utf8(four).ok()) {
        let Ok(length) = usize::from_str_radix(length, 16) else { break };
        let length = length.max(4);
        let Some(line) = rest.get(4..length) else { break };
        match line.split_first() {
            Some((1, inner)) => out += &sideband_text(inner),
            Some((2 | 3, message)) => out += &String::from_utf8_lossy(message),
            _ => out += &String::from_utf8_lossy(line),
        }
        out.push('\n');
        rest = &rest[length..];
    }
    out + &String::from_utf8_lossy(rest)
}
