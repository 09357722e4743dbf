//! Who there is, who asks, and what a client asks when it starts.

use super::operation::Operation;
use super::repos::kind;
use super::schema::{Shape, anything, flag, list, map, moment, nullable, number, object, text, word};
use super::shape;
use crate::route::RouteKind;

pub(super) fn operations() -> Vec<Operation> {
    use RouteKind::{
        AgentHarnesses, OpenApi, OrgMembers, OrgOverview, Telemetry, UserLikes, UserOverview, ValidateYaml,
        Whoami,
    };
    vec![
        Operation::get(Whoami, "/api/whoami-v2", "Whose credentials these are").gives(shape("Whoami")),
        Operation::get(UserOverview, "/api/users/{user}/overview", "A user").gives(shape("Overview")),
        Operation::get(UserLikes, "/api/users/{user}/likes", "What a user likes").gives(list(shape("Like"))),
        Operation::get(OrgOverview, "/api/organizations/{org}/overview", "An organisation")
            .gives(shape("Overview")),
        Operation::get(OrgMembers, "/api/organizations/{org}/members", "Who belongs to an organisation")
            .gives(list(shape("Account"))),
        Operation::get(AgentHarnesses, "/api/agent-harnesses", "Agents to be named in requests: none")
            .gives(object(vec![("standardEnvVars", list(text())), ("harnesses", map())], vec![])),
        Operation::get(Telemetry, "/api/telemetry/{path}", "Takes note of nothing").gives(map()),
        Operation::post(ValidateYaml, "/api/validate-yaml", "Checks the card in a README.md")
            .takes(object(vec![("content", text())], vec![("repoType", nullable(text()))]))
            .gives(shape("CardCheck"))
            .refuses(&[429, 503]),
        Operation::get(OpenApi, "/.well-known/openapi.json", "This description").gives(map()),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let remarks = || list(object(vec![("message", text())], vec![]));
    let org = object(vec![("name", text()), ("fullname", text()), ("roleInOrg", text())], vec![]);
    let token = object(
        vec![
            ("displayName", text()),
            ("role", word(&["read", "write", "fineGrained"])),
            ("createdAt", moment()),
        ],
        vec![],
    );
    let liked = object(vec![("name", text()), ("type", kind())], vec![]);
    let auth = object(vec![("type", word(&["access_token"])), ("accessToken", token)], vec![]);
    vec![
        ("Error", object(vec![], vec![("error", text()), ("errors", remarks()), ("url", text())])),
        ("CardCheck", object(vec![("errors", remarks()), ("warnings", remarks())], vec![])),
        (
            "Whoami",
            object(
                vec![
                    ("type", word(&["user"])),
                    ("name", text()),
                    ("fullname", text()),
                    ("orgs", list(org)),
                    ("auth", auth),
                ],
                vec![("email", nullable(text())), ("isPro", flag())],
            ),
        ),
        (
            "Overview",
            object(
                vec![
                    ("type", word(&["user", "org"])),
                    ("fullname", text()),
                    ("createdAt", moment()),
                    ("numModels", number()),
                    ("numDatasets", number()),
                    ("numSpaces", number()),
                ],
                vec![
                    ("user", text()),
                    ("name", text()),
                    ("orgs", list(shape("Account"))),
                    ("numLikes", number()),
                    ("numUsers", number()),
                ],
            ),
        ),
        (
            "Account",
            object(
                vec![("user", text()), ("fullname", text())],
                vec![("type", text()), ("avatarUrl", anything())],
            ),
        ),
        ("Like", object(vec![("createdAt", moment()), ("repo", liked)], vec![])),
    ]
}
