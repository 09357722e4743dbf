//! What git fetches.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn another_pack_is_named() {
    const ATTACKS: [Attack; 7] = [
        (
            "flipped byte",
            |home| home.says(|asked, pack| matches!(asked, Question::Git(_)).then(|| flip(pack))),
            Comes::Named("`liar`: pack has bad object at "),
        ),
        (
            "the pack of another repository",
            |home| {
                let other = home.other_pack.clone();
                home.says(move |asked, _| {
                    matches!(asked, Question::Git(_)).then(|| Said::This(other.clone()))
                })
            },
            Comes::Named("`liar`: missing necessary objects: "),
        ),
        (
            "a commit is missing",
            |home| {
                let have = format!("0032have {}\n", home.open.first);
                home.hears(move |asked| match asked {
                    Question::Git(request) => {
                        let text = String::from_utf8(request).unwrap();
                        assert!(text.contains("0009done\n"), "{text}");
                        Question::Git(text.replace("0009done\n", &format!("{have}0009done\n")).into())
                    }
                    asked => asked,
                })
            },
            Comes::Named("`liar`: missing necessary objects: commit "),
        ),
        (
            "endless",
            |home| {
                home.says(|asked, pack| {
                    let endless = || Said::Endless(Bytes::copy_from_slice(&pack[..pack.len() - 4]));
                    matches!(asked, Question::Git(_)).then(endless)
                })
            },
            Comes::Named("`liar`: pack has junk at the end"),
        ),
        (
            "endless progress",
            |home| {
                home.says(|asked, _| {
                    let lines = || [b"000dpackfile\n", &b"0007\x02..".repeat(100_000)[..]].concat();
                    matches!(asked, Question::Git(_)).then(|| Said::Endless(lines().into()))
                })
            },
            Comes::Named("`liar`: the server keeps the hub waiting for its pack"),
        ),
        (
            "nothing",
            |home| home.says(|asked, _| matches!(asked, Question::Git(_)).then_some(Said::Nothing)),
            Comes::Named("`liar`: it says nothing"),
        ),
        (
            "forbidden",
            |home| home.says(|asked, _| matches!(asked, Question::Git(_)).then_some(Said::Forbidden)),
            Comes::Named("`liar`: it wants to know who asks"),
        ),
    ];
    attack_all(&ATTACKS).await;
}
