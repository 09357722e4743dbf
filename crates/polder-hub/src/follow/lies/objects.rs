//! Large objects and their chunk lists.

use super::*;

/// The other object's part of a question about the first one.
fn of_other(question: Question, other: Sha256) -> Question {
    match question {
        Question::Range(_, place) => Question::Range(other, place),
        Question::Extents(_, places) => Question::Extents(other, places),
        question => question,
    }
}

fn is_range(asked: &Question) -> bool {
    matches!(asked, Question::Range(..) | Question::Extents(..))
}

fn altered_list(home: &Home, alter: fn(&mut [u8])) -> EvilPeer {
    home.says(move |asked, list| {
        matches!(asked, Question::Chunks(..)).then(|| {
            let mut list = list.to_vec();
            alter(&mut list);
            Said::This(list.into())
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_an_object_are_named() {
    const WRONG: Comes = Comes::Named("wrong bytes at ");
    const ATTACKS: [Attack; 7] = [
        ("flipped byte", |home| home.says(|asked, bytes| is_range(asked).then(|| flip(bytes))), WRONG),
        (
            "a shifted range",
            |home| {
                home.says(|asked, bytes| {
                    let shifted = || [&bytes[1..], &[0]].concat();
                    is_range(asked).then(|| Said::This(shifted().into()))
                })
            },
            WRONG,
        ),
        (
            "another range",
            |home| {
                home.says(|asked, bytes| {
                    let (first, second) = bytes.split_at(bytes.len() / 2);
                    is_range(asked).then(|| Said::This([second, first].concat().into()))
                })
            },
            WRONG,
        ),
        (
            "the bytes of another object",
            |home| {
                let other = home.other.object;
                home.hears(move |asked| if is_range(&asked) { of_other(asked, other) } else { asked })
            },
            WRONG,
        ),
        (
            "short",
            |home| {
                home.says(|asked, bytes| {
                    let short = || Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
                    is_range(asked).then(|| Said::This(short()))
                })
            },
            Comes::Failed("`liar`: its answer was cut short"),
        ),
        (
            "more than was asked for",
            |home| {
                home.says(|asked, bytes| {
                    let more = || [bytes, &[7; 100_000]].concat();
                    is_range(asked).then(|| Said::This(more().into()))
                })
            },
            Comes::Nothing,
        ),
        (
            "endless",
            |home| {
                home.says(|asked, bytes| {
                    is_range(asked).then(|| Said::Endless(Bytes::copy_from_slice(bytes)))
                })
            },
            Comes::Nothing,
        ),
    ];
    attack_all(&ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chunk_list_is_named() {
    const ATTACKS: [Attack; 7] = [
        (
            "another hash of a chunk",
            |home| altered_list(home, |list| list[HEADER_BYTES + 1] ^= 1),
            Comes::Named("as the chunk list: "),
        ),
        (
            "another length of a chunk",
            |home| altered_list(home, |list| list[HEADER_BYTES + ENTRY_BYTES - 1] ^= 1),
            Comes::Named("as the chunk list: "),
        ),
        (
            "chunks in another order",
            |home| {
                altered_list(home, |list| {
                    let (first, second) = list[HEADER_BYTES..].split_at_mut(ENTRY_BYTES);
                    first.swap_with_slice(&mut second[..ENTRY_BYTES]);
                })
            },
            Comes::Named("as the chunk list: "),
        ),
        (
            "more chunks than it can have",
            |home| {
                altered_list(home, |list| {
                    let most = u32::try_from(OBJECT_BYTES / 4096 + 3).unwrap();
                    list[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&most.to_be_bytes());
                })
            },
            Comes::Named(
                "as the chunk list: not a list for this object: it has more chunks than the object can have",
            ),
        ),
        (
            "the right list of another object",
            |home| {
                let other = home.other.object;
                home.hears(move |asked| match asked {
                    Question::Chunks(_, from) => Question::Chunks(other, from),
                    asked => asked,
                })
            },
            Comes::Named("as the chunk list: it is the list of another object"),
        ),
        (
            "all of another object",
            |home| {
                let other = home.other.object;
                home.hears(move |asked| match asked {
                    Question::Chunks(_, from) => Question::Chunks(other, from),
                    asked => of_other(asked, other),
                })
            },
            Comes::Named("as the chunk list: it is the list of another object"),
        ),
        (
            "endless",
            |home| {
                home.says(|asked, list| {
                    let more = || [list, &list[HEADER_BYTES..].repeat(10_000)].concat();
                    matches!(asked, Question::Chunks(..)).then(|| Said::This(more().into()))
                })
            },
            Comes::Named("as the chunk list: "),
        ),
    ];
    attack_all(&ATTACKS).await;
}
