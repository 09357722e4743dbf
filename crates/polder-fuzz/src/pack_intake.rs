//! Packs: from bytes to a verdict, and what an accepted one must be good for.

use std::sync::Arc;

use polder_git::{
    Error, ObjectKind, Received, Ref, Severity, Snapshot, audit, check_push, peel, reachable_objects,
    verify_pack,
};
use polder_types::ObjectId;

use crate::hand_made::{Pack, Program, empty, object_id, receive, seal};

/// Most tips pushed at once.
const TIPS_MAX: usize = 4;

/// A pack is refused, never found damaged; one that is accepted is whole: every object can be read again
/// and all that its tips need is there.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let pack = match choice % 4 {
        0 => rest.to_vec(),
        1 => seal(usize::from(choice >> 2), rest),
        _ => assemble(&mut Program::new(rest)),
    };
    let received = match receive(&pack) {
        Ok(Some(received)) => received,
        Ok(None) | Err(Error::Refused { .. } | Error::TooLarge { .. }) => return,
        Err(error) => panic!("not the sender's fault: {error:?}"),
    };
    assert_eq!(received.bytes, u64::try_from(pack.len()).unwrap_or_default());
    if let Err(error) = verify_pack(&received.pack, true) {
        panic!("received, but damaged: {error:?}");
    }
    let tips: Vec<ObjectId> = received.pack.object_ids().take(TIPS_MAX).collect();
    for tip in tips {
        push(&received, tip);
    }
}

fn push(received: &Received, tip: ObjectId) {
    for severity in [Severity::Push, Severity::Import] {
        let checked = match check_push(&empty(), Some(received), &[tip], severity) {
            Ok(checked) => checked,
            Err(Error::Refused { .. } | Error::TooLarge { .. }) => continue,
            Err(error) => panic!("not the sender's fault: {error:?}"),
        };
        let objects =
            Snapshot::new(0, "refs/heads/main".to_owned(), Vec::new(), vec![Arc::clone(&received.pack)]);
        let Ok(peeled) = peel(&objects, tip) else { panic!("an accepted tag leads nowhere") };
        assert_eq!(peeled, checked.peeled.get(&tip).copied());
        let tag = Ref { name: "refs/tags/t".to_owned(), oid: tip, peeled };
        let after =
            Snapshot::new(1, "refs/heads/main".to_owned(), vec![tag], vec![Arc::clone(&received.pack)]);
        match reachable_objects(&after, &[tip]) {
            Ok(reached) => assert!(reached.contains(&tip)),
            Err(error) => panic!("accepted, but cannot be served: {error:?}"),
        }
        match audit(&after) {
            Ok(found) => assert!(found.problems.is_empty(), "accepted with holes: {found:?}"),
            Err(error) => panic!("accepted, but cannot be audited: {error:?}"),
        }
    }
}

/// A pack of entries as instructions name them: mostly whole, with lies here and there.
fn assemble(program: &mut Program<'_>) -> Vec<u8> {
    let mut pack = Pack::default();
    let mut ids: Vec<ObjectId> = Vec::new();
    while let Some(kind) = program.byte() {
        let length = usize::from(program.byte().unwrap_or_default());
        let content = named(program.take(length), &ids);
        let claimed = if kind & 0x80 == 0 { content.len() } else { length << (kind >> 3 & 15) };
        let whole = match kind & 7 {
            1 => ObjectKind::Commit,
            2 => ObjectKind::Tree,
            4 => ObjectKind::Tag,
            6 => {
                pack.offset_delta(length >> 4, claimed, &content);
                continue;
            }
            7 => {
                let base = ids.iter().rev().nth(length >> 4).copied().unwrap_or(ObjectId::ZERO);
                pack.id_delta(base, claimed, &content);
                continue;
            }
            _ => ObjectKind::Blob,
        };
        if claimed == content.len() {
            ids.push(object_id(whole, &content));
            pack.whole(whole, &content);
        } else {
            pack.entry(kind, claimed, &[], &content);
        }
    }
    pack.finish()
}

/// Objects name one another by hash, which no fuzzer can guess: `\x01n` stands for the raw id of the
/// n-th object from the end, `\x02n` for its hexadecimal form.
fn named(content: &[u8], ids: &[ObjectId]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut program = Program::new(content);
    while let Some(byte) = program.byte() {
        if !matches!(byte, 1 | 2) {
            out.push(byte);
            continue;
        }
        let back = usize::from(program.byte().unwrap_or_default());
        match ids.iter().rev().nth(back) {
            Some(id) if byte == 1 => out.extend_from_slice(id.as_bytes()),
            Some(id) => out.extend(id.to_string().bytes()),
            None => out.push(byte),
        }
    }
    out
}
