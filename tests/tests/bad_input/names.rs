//! Names that mean something to a file system, a shell, a browser or an eye.

use polder_tests::{Response, Token};

use crate::place::Place;

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "", ".", "..", "...", "/", "//", "\\", "../x", "..\\x", "x/..", "./x", "x/.", "/etc/passwd", "C:\\x",
    "c:x", "%2e%2e", "%2e", "%2f", "%5c", "%00", "%0d%0a", "%252e%252e", "..%2f", "%c0%ae%c0%ae", "x%", "x%zz",
    ".git", "x.git", "x.lock", "x.git.lock", "x.ipynb", ".x", "x.", ".x.", "-x", "x-", "--x", "x--y", "x..y",
    "-", "--", "--help", "-rf", "--data", " ", "x ", " x", "x y", "\t", "x\ty", "\n", "x\ny", "x\r\ny", "\r",
    "\u{1b}[31mx", "x\u{7}", "x\u{8}", "\u{7f}", "x\u{85}y", "é", "e\u{301}", "ﬁ", "Å", "A\u{30a}", "ß", "ı", "İ",
    "аcme", "acmе", "асme", "ａcme", "acme\u{200b}", "acme\u{200d}", "\u{202e}emca", "\u{2066}x", "\u{feff}x",
    "acme\u{ad}", "x\u{a0}y", "x\u{2028}y", "x\u{ff0f}y", "x\u{2215}y", "x\u{2044}y", "\u{ff0e}\u{ff0e}",
    "🤗", "👩‍💻", "x️", "模型", "Ⅳ", "①", "𝓍", "\u{fffd}", "\u{e000}", "\u{10ffff}", "~", "~root", "$HOME",
    "$(id)", "`id`", "x;id", "x|id", "x&id", "x>y", "x<y", "'x'", "\"x\"", "x'--", "x' OR '1'='1", "{x}", "[x]",
    "x*", "x?", "x?y=z", "x#y", "x@y", "@", "@{", "x:y", "x=y", "x+y", "x,y", "x!", "x^", "<script>x</script>",
    "<b>", "${jndi:ldap://x}", "{{7*7}}", "%s%n", "%d", "\u{0}", "x\u{0}y", "javascript:x", "http://x",
    "file:///x", "//x.example", "x@example.org", "..;", "x;.git", "x/../../y", "x\\..\\y", "x//y", "x/",
];

/// Names of one thing: nothing is ever called so, and nothing is found by it.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    for device in ["con", "prn", "aux", "nul", "com1", "com9", "lpt1", "lpt9"] {
        all.extend([
            device.to_owned(),
            device.to_uppercase(),
            format!("{device}.txt"),
            format!("{device}.git"),
        ]);
    }
    for length in [97, 128, 255, 256, 300, 1000, 4000] {
        all.push("n".repeat(length));
    }
    all.extend(["../".repeat(50) + "x", "%2e%2e%2f".repeat(20), ".".repeat(90), "-".repeat(90)]);
    all
}

fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"))
}

#[test]
fn no_hostile_name_is_given_to_anything() {
    let place = Place::new();
    let names = hostile();
    assert!(names.len() >= 180, "{}", names.len());
    let listed = |what: &str| place.hub.cli(&[what, "list", "--json"]).ok();
    let before = [listed("user"), listed("org"), listed("repo")];
    for name in names.iter().filter(|name| !name.contains('\0')) {
        for told in [
            place.hub.cli(&["repo", "add", "--", &format!("acme/{name}")]).fails(),
            place.hub.cli(&["repo", "rename", "--", "acme/m", &format!("acme/{name}")]).fails(),
            place.hub.cli(&["user", "add", "--", name]).fails(),
            place.hub.cli(&["org", "add", "--owner", "ada", "--", name]).fails(),
        ] {
            assert!(
                !told.contains('\u{1b}') && !told.contains('\u{7}'),
                "{name:?} reaches the terminal: {told}"
            );
        }
    }
    assert_eq!([listed("user"), listed("org"), listed("repo")], before);
    place.is_unchanged();
}

#[test]
fn no_hostile_name_finds_anything() {
    let place = Place::new();
    let Token { user, secret } = &place.token;
    let get = |path: &str| place.hub.http().get(path).basic(user, secret).send();
    for name in hostile() {
        let name = encoded(&name);
        for path in [
            format!("/acme/{name}.git/info/refs?service=git-upload-pack"),
            format!("/{name}/m.git/info/refs?service=git-upload-pack"),
            format!("/datasets/acme/{name}/resolve/main/README.md"),
            format!("/acme/m/resolve/{name}/README.md"),
            format!("/{name}/{name}.git/info/lfs/objects/batch"),
        ] {
            is_not_found(&path, &get(&path));
        }
    }
    place.is_unchanged();
}

fn is_not_found(path: &str, answer: &Response) {
    assert!(
        [400, 403, 404, 405, 414].contains(&answer.status),
        "{path}: {} {}",
        answer.status,
        answer.text()
    );
    for (name, value) in &answer.headers {
        assert!(!value.contains(['\r', '\n']), "{path}: {name}: {value}");
    }
}

#[test]
fn a_name_in_another_case_is_the_same_name() {
    let place = Place::new();
    let told = place.hub.cli(&["repo", "add", "ACME/M"]).fails();
    assert!(told.contains("in use") || told.contains("taken"), "{told}");
    for args in [["user", "add", "ADA"], ["user", "add", "Acme"]] {
        let told = place.hub.cli(&args).fails();
        assert!(told.contains("in use") || told.contains("taken"), "{told}");
    }
    place.is_unchanged();
}
