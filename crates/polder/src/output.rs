//! How answers look on a terminal and as JSON.

use std::io::{self, Write};

use crate::admin::{
    Answer, AuditRow, BlockRow, KeyRow, MirrorRow, MoveRow, OrgRow, ProtectionRow, PublisherRow, QuotaRow,
    RepoRow, RequestRow, RuleText, TokenRow, UpstreamRow, UserRow,
};
use crate::size::show_size;

/// Writes an answer: `json` for scripts, otherwise columns for people. A token stands alone.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn write_answer(out: &mut dyn Write, answer: &Answer, json: bool) -> io::Result<()> {
    match answer {
        Answer::Users(rows) if json => write_json(out, rows),
        Answer::Orgs(rows) if json => write_json(out, rows),
        Answer::Tokens(rows) if json => write_json(out, rows),
        Answer::Repos(rows) if json => write_json(out, rows),
        Answer::Requests(rows) if json => write_json(out, rows),
        Answer::Mirrors(rows) if json => write_json(out, rows),
        Answer::Followed(rows) if json => write_json(out, rows),
        Answer::Protection(rows) if json => write_json(out, rows),
        Answer::Publishers(rows) if json => write_json(out, rows),
        Answer::Blocks(rows) if json => write_json(out, rows),
        Answer::Quotas(rows) if json => write_json(out, rows),
        Answer::Audit(rows) if json => write_json(out, rows),
        Answer::AuditVerified(report) if json => write_json(out, report),
        Answer::Key(key) if json => write_json(out, key),
        Answer::Fsck(found) if json => write_json(out, found),
        Answer::Key(key) => {
            let KeyRow { key, generation, recovery_sha256 } = key;
            writeln!(out, "{key}\nkey number {generation}; the hash of the recovery key is {recovery_sha256}")
        }
        Answer::Done(sentence) => writeln!(out, "{sentence}"),
        Answer::Token(secret) => writeln!(out, "{secret}"),
        Answer::Users(rows) => write_columns(out, rows.iter().map(user_cells)),
        Answer::Orgs(rows) => write_columns(out, rows.iter().flat_map(org_cells)),
        Answer::Tokens(rows) => write_columns(out, rows.iter().map(token_cells)),
        Answer::Repos(rows) => write_columns(out, rows.iter().map(repo_cells)),
        Answer::Requests(rows) => write_columns(out, rows.iter().map(request_cells)),
        Answer::Mirrors(rows) => write_columns(out, rows.iter().map(mirror_cells)),
        Answer::Followed(rows) => write_columns(out, rows.iter().flat_map(upstream_cells)),
        Answer::Protection(rows) => write_columns(out, rows.iter().map(protection_cells)),
        Answer::Publishers(rows) => write_columns(out, rows.iter().map(publisher_cells)),
        Answer::Blocks(rows) => write_columns(out, rows.iter().map(block_cells)),
        Answer::Quotas(rows) => write_columns(out, rows.iter().map(quota_cells)),
        Answer::Audit(rows) => write_columns(out, rows.iter().map(audit_cells)),
        Answer::AuditVerified(report) => match &report.problem {
            Some(problem) => writeln!(out, "the chain is broken: {problem}"),
            None if report.first == 0 => writeln!(out, "there is no line: the chain is whole"),
            None => writeln!(
                out,
                "lines {} to {}: the chain is whole\n{}",
                report.first, report.last, report.hash
            ),
        },
        Answer::Written => Ok(()),
        Answer::Fsck(found) => {
            for problem in &found.problems {
                writeln!(out, "{problem}")?;
            }
            let counts = [
                (found.repositories, "repositories"),
                (found.packs, "packs"),
                (found.objects, "git objects"),
                (found.blobs, "large objects"),
            ];
            let counts = counts.map(|(count, what)| format!("{count} {what}")).join(", ");
            let verdict = match found.problems.len() {
                0 => "nothing wrong".to_owned(),
                1 => "1 problem".to_owned(),
                count => format!("{count} problems"),
            };
            writeln!(out, "{counts}: {verdict}")
        }
    }
}

fn repo_cells(row: &RepoRow) -> Vec<String> {
    let withheld = row.withheld.as_ref().map(|why| format!("withheld: {why}")).unwrap_or_default();
    vec![row.id.clone(), row.visibility.to_string(), row.default_branch.clone(), withheld]
}

fn request_cells(row: &RequestRow) -> Vec<String> {
    vec![row.user.clone(), row.status.clone(), format!("asked {}", row.created), row.fields.to_string()]
}

fn block_cells(row: &BlockRow) -> Vec<String> {
    vec![row.what.clone(), format!("since {}", row.since), row.reason.clone()]
}

fn protection_cells(row: &ProtectionRow) -> Vec<String> {
    let may = |allowed, what: &str| format!("{} {what}", if allowed { "may be" } else { "never" });
    let pushers = format!("push: {}", row.push.join(","));
    vec![row.pattern.clone(), pushers, may(row.allow_force, "forced"), may(row.allow_delete, "deleted")]
}

fn publisher_cells(row: &PublisherRow) -> Vec<String> {
    let target = row.repo.as_ref().map_or_else(|| "reads".to_owned(), |repo| format!("writes to {repo}"));
    let claims: Vec<String> = row.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let claims = if claims.is_empty() { "-".to_owned() } else { claims.join(",") };
    let user = format!("as {}", row.user);
    vec![row.id.clone(), target, user, row.issuer.clone(), row.subject.clone(), claims, row.created.clone()]
}

fn user_cells(row: &UserRow) -> Vec<String> {
    let kind = if row.admin { "admin" } else { "user" };
    vec![row.name.clone(), kind.to_owned(), row.created.clone()]
}

/// One line for each member.
fn org_cells(row: &OrgRow) -> Vec<Vec<String>> {
    let line = |user: &str, role: String| vec![row.name.clone(), user.to_owned(), role];
    row.members.iter().map(|member| line(&member.user, member.role.to_string())).collect()
}

fn token_cells(row: &TokenRow) -> Vec<String> {
    let repos = match row.repos.as_deref() {
        None => "all repositories".to_owned(),
        Some([]) => "no repository".to_owned(),
        Some(names) => names.join(","),
    };
    let expires =
        row.expires.as_ref().map_or_else(|| "never expires".to_owned(), |end| format!("until {end}"));
    let name = row.name.clone().unwrap_or_else(|| "-".to_owned());
    vec![row.id.clone(), row.user.clone(), row.scope.to_string(), repos, expires, row.created.clone(), name]
}

fn audit_cells(row: &AuditRow) -> Vec<String> {
    let repo = row.repo.clone().unwrap_or_else(|| "-".to_owned());
    let detail = row.detail.to_string();
    vec![row.time.clone(), row.who.clone(), row.action.clone(), repo, row.result.clone(), detail]
}

fn mirror_cells(row: &MirrorRow) -> Vec<String> {
    let next = row.next.as_ref().map_or_else(|| "running".to_owned(), |next| format!("next {next}"));
    let result = match (&row.result, row.failures) {
        (None, _) => "not pulled yet".to_owned(),
        (Some(result), 0) => result.clone(),
        (Some(result), failures) => format!("failed {failures} times: {result}"),
    };
    let result = match (row.there, row.stays_open) {
        (None, _) => result,
        (Some(there), false) => format!("{there} there; {result}"),
        (Some(there), true) => format!("{there} there, and left open here; {result}"),
    };
    let worked = row.worked.as_ref().map_or_else(|| "never".to_owned(), |worked| format!("worked {worked}"));
    vec![row.id.clone(), row.url.clone(), next, worked, result]
}

/// A line for the hub, then one for each of its repositories.
fn upstream_cells(row: &UpstreamRow) -> Vec<Vec<String>> {
    let lag = |events: u64| format!("{events} events behind");
    let heard = match (row.heard_seconds, &row.heard) {
        (Some(seconds), _) => format!("heard {seconds} s ago"),
        (None, Some(at)) => format!("heard {at}"),
        (None, None) => "never heard of".to_owned(),
    };
    let error = row.error.clone().unwrap_or_default();
    let behind = format!("{} events, {} s behind", row.lag_events, row.lag_seconds);
    let hub = vec![row.url.clone(), row.state.clone(), behind, heard, error];
    let repositories = row.repositories.iter().map(|repo| {
        let moved = repo.moved_to.as_ref().map(|origin| format!("moved to {origin}: follow it"));
        let fetching = repo.fetching.as_ref().map(ToString::to_string);
        let notes: Vec<String> = fetching.into_iter().chain(moved.or_else(|| repo.error.clone())).collect();
        vec![
            format!("  {}", repo.id),
            repo.state.clone(),
            lag(repo.lag_events),
            format!("since {}", repo.since),
            notes.join("; "),
        ]
    });
    let sources = row.sources.iter().map(|source| {
        let heard =
            source.heard.as_ref().map_or_else(|| "not needed yet".to_owned(), |at| format!("heard {at}"));
        let error = source.error.clone().unwrap_or_default();
        vec![format!("  from {}", source.url), "source".to_owned(), String::new(), heard, error]
    });
    let braked = row.braked.as_ref().map(|why| {
        let why = format!("{why}; to go on: polder mirrors release {}", row.url);
        vec!["  removing".to_owned(), "stopped".to_owned(), String::new(), String::new(), why]
    });
    let moves = row.moves.iter().map(move_cells);
    let about = [hub].into_iter().chain(limits_cells(row)).chain(sources).chain(braked).chain(moves);
    about.chain(repositories).collect()
}

/// A namespace that moved to a hub.
fn move_cells(row: &MoveRow) -> Vec<String> {
    let from = row.from.as_deref().unwrap_or("another hub");
    let rule = |RuleText { pattern, mode }: &RuleText| format!("{pattern} ({mode})");
    let selected: Vec<String> = row.selected.iter().map(rule).collect();
    let selected = if selected.is_empty() {
        String::new()
    } else {
        format!("selected as there: {}", selected.join(", "))
    };
    vec![
        format!("  {}", row.namespace),
        row.state.clone(),
        String::new(),
        format!("moved from {from}"),
        selected,
    ]
}

/// What limits the mirrors of a hub, if anything does.
fn limits_cells(row: &UpstreamRow) -> Option<Vec<String>> {
    let size = |bytes: u64| show_size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let budget = row.budget_bytes.map(|budget| format!("{} of {}", size(row.held_bytes), size(budget)));
    let rate = row.bytes_per_second.map(|rate| format!("{}/s", size(rate.get())));
    let window = row.window.map(|hours| format!("{hours} UTC"));
    let limits: Vec<String> = [budget, rate, window].into_iter().flatten().collect();
    (!limits.is_empty()).then(|| {
        let nothing = String::new;
        vec!["  limits".to_owned(), nothing(), nothing(), nothing(), limits.join(", ")]
    })
}

fn quota_cells(row: &QuotaRow) -> Vec<String> {
    let used = show_size(row.blob_bytes + row.pack_bytes + row.reserved_bytes);
    let max = row.bytes_max.map_or_else(|| "no limit".to_owned(), |max| format!("of {}", show_size(max)));
    let max = if row.is_default { format!("{max} (default)") } else { max };
    let parts = [(row.blob_bytes, "objects"), (row.pack_bytes, "packs"), (row.reserved_bytes, "reserved")];
    let parts = parts.map(|(bytes, what)| format!("{what} {}", show_size(bytes))).join(", ");
    vec![row.namespace.clone(), used, max, parts]
}

fn write_json<T: serde::Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn write_columns(out: &mut dyn Write, rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{FsckAnswer, MemberRow};
    use polder_types::{RepoKind, Role, Visibility};

    fn shown(answer: &Answer, json: bool) -> String {
        let mut out = Vec::new();
        write_answer(&mut out, answer, json).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn repo(id: &str) -> RepoRow {
        RepoRow {
            id: id.to_owned(),
            kind: RepoKind::Model,
            visibility: Visibility::Public,
            gate: None,
            withheld: None,
            default_branch: "main".to_owned(),
            generation: 1,
        }
    }

    #[test]
    fn a_token_stands_alone_in_both_forms() {
        let token = Answer::Token("pld_x".to_owned());
        assert_eq!(shown(&token, false), "pld_x\n");
        assert_eq!(shown(&token, true), "pld_x\n");
    }

    #[test]
    fn a_list_is_columns_or_one_json_array() {
        let list = Answer::Repos(vec![repo("acme/m"), repo("datasets/acme/d")]);
        assert_eq!(shown(&list, false), "acme/m           public  main\ndatasets/acme/d  public  main\n");
        let value: serde_json::Value = serde_json::from_str(&shown(&list, true)).unwrap();
        assert_eq!(value[1]["id"], "datasets/acme/d");
        assert_eq!(shown(&Answer::Repos(vec![]), false), "");
        assert_eq!(shown(&Answer::Repos(vec![]), true), "[]\n");
    }

    #[test]
    fn people_and_tokens_are_listed_a_line_each() {
        let created = "2026-09-21T13:33:20Z".to_owned();
        let user = UserRow { name: "ada".to_owned(), admin: true, created: created.clone() };
        assert_eq!(shown(&Answer::Users(vec![user]), false), "ada  admin  2026-09-21T13:33:20Z\n");
        let member = |user: &str, role| MemberRow { user: user.to_owned(), role };
        let members = vec![member("ada", Role::Admin), member("bo", Role::Read)];
        let orgs = Answer::Orgs(vec![OrgRow { name: "acme".to_owned(), members, created: created.clone() }]);
        assert_eq!(shown(&orgs, false), "acme  ada  admin\nacme  bo   read\n");
        let token = TokenRow {
            id: "7".to_owned(),
            user: "ada".to_owned(),
            scope: Role::Write,
            repos: Some(vec!["acme/m".to_owned()]),
            expires: Some(created.clone()),
            created,
            name: Some("hf_hub/2.4.0".to_owned()),
        };
        let wide = TokenRow { id: "8".to_owned(), repos: None, expires: None, name: None, ..token.clone() };
        let list = Answer::Tokens(vec![token, wide]);
        assert_eq!(
            shown(&list, false),
            "7  ada  write  acme/m            until 2026-09-21T13:33:20Z  2026-09-21T13:33:20Z  hf_hub/2.4.0\n\
             8  ada  write  all repositories  never expires               2026-09-21T13:33:20Z  -\n"
        );
        let value: serde_json::Value = serde_json::from_str(&shown(&list, true)).unwrap();
        assert_eq!((&value[0]["id"], &value[1]["repos"]), (&"7".into(), &serde_json::Value::Null));
    }

    #[test]
    fn fsck_lists_what_is_wrong_before_its_verdict() {
        let found = FsckAnswer {
            repositories: 2,
            packs: 3,
            objects: 40,
            blobs: 1,
            problems: vec!["pack 7 of `acme/m` is missing".to_owned()],
        };
        let text = shown(&Answer::Fsck(found), false);
        assert_eq!(
            text,
            "pack 7 of `acme/m` is missing\n2 repositories, 3 packs, 40 git objects, 1 large objects: 1 problem\n"
        );
    }
}
