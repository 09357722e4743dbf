//! A request that found its route: who asks, for what, with which parameters.

use http::HeaderValue;
use http::header::LINK;
use http::request::Parts;
use polder_http::{Caller, Response, query_parameter, query_parameters, respond};
use polder_hub::{Contribute, Contribution, Error, Grant, Hub, Manage, Read, See, Write};

use crate::failure::Failure;
use crate::route::At;

/// What every answer is made from.
pub(crate) struct Ask<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) at: &'a At,
    pub(crate) parts: &'a Parts,
}

impl Ask<'_> {
    pub(crate) async fn caller(&self) -> Result<Caller, Failure> {
        Caller::of(self.hub, self.parts).await.map_err(Failure::Credentials)
    }

    /// Who asks; nothing is read from strangers.
    pub(crate) async fn signed_in(&self) -> Result<Caller, Failure> {
        let caller = self.caller().await?;
        if caller.principal().is_anonymous() {
            return Err(Failure::Credentials(Error::hidden(true, "")));
        }
        Ok(caller)
    }

    pub(crate) async fn see(&self) -> Result<Grant<See>, Failure> {
        self.caller().await?.see(&self.at.place.target).await.map_err(Failure::Repository)
    }

    pub(crate) async fn read(&self) -> Result<Grant<Read>, Failure> {
        self.caller().await?.read(&self.at.place.target).await.map_err(Failure::Repository)
    }

    /// Permission to read for someone with an account.
    pub(crate) async fn read_as_account(&self) -> Result<Grant<Read>, Failure> {
        let caller = self.caller().await?;
        let grant = caller.read(&self.at.place.target).await.map_err(Failure::Repository)?;
        if caller.principal().is_anonymous() {
            return Err(Failure::Repository(Error::hidden(true, "")));
        }
        Ok(grant)
    }

    pub(crate) async fn write(&self) -> Result<Grant<Write>, Failure> {
        self.caller().await?.write(&self.at.place.target).await.map_err(Failure::Repository)
    }

    /// Permission for what comes before and at a commit on the revision of the path, or with `create_pr` on a
    /// pull request that is about to be opened.
    pub(crate) async fn contribute(&self) -> Result<Grant<Contribute>, Failure> {
        let to = if self.opens_pull() {
            Some(Contribution::NewPull)
        } else {
            Contribution::of_revision(&self.at.revision)
        };
        let caller = self.caller().await?;
        let target = &self.at.place.target;
        let grant = match to {
            Some(to) => caller.contribute(target, to).await,
            None => caller.write(target).await.map(|grant| grant.as_contributor()),
        };
        grant.map_err(Failure::Repository)
    }

    /// Whether a commit shall open a pull request.
    pub(crate) fn opens_pull(&self) -> bool {
        self.flag("create_pr")
    }

    pub(crate) async fn manage(&self) -> Result<Grant<Manage>, Failure> {
        self.caller().await?.manage(&self.at.place.target).await.map_err(Failure::Repository)
    }

    fn query_text(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// The last value of a parameter.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query_parameter(self.query_text(), name)
    }

    /// Every value of a parameter that may be repeated, `name` or `name[]`.
    pub(crate) fn queries(&self, name: &str) -> Vec<String> {
        let mut values = query_parameters(self.query_text(), name);
        values.extend(query_parameters(self.query_text(), &format!("{name}[]")));
        values
    }

    /// Whether a parameter says yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| is_true(&value))
    }

    /// A number of entries that the client asks for, between 1 and `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> usize {
        let asked = self.query("limit").and_then(|text| text.parse().ok());
        asked.unwrap_or(default).clamp(1, max)
    }

    /// Says where the next page is: the same URL with `cursor` for the parameter `name`. Absolute, because
    /// clients resolve nothing.
    pub(crate) fn link_next(&self, response: &mut Response, name: &str, cursor: &str) {
        let pairs = self.query_text().split('&').filter(|pair| {
            let key = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && key != name
        });
        let query: String = pairs.flat_map(|pair| [pair, "&"]).collect();
        let (base, path) = (self.hub.public_url(), self.parts.uri.path());
        let link = format!("<{base}{path}?{query}{name}={cursor}>; rel=\"next\"");
        response.headers_mut().insert(LINK, respond::header_text(&link));
    }
}

/// Whether a parameter's value says yes, in any of the clients' spellings.
pub(crate) fn is_true(value: &str) -> bool {
    matches!(value, "true" | "True" | "1" | "")
}

/// Marks an answer with the commit it is about.
pub(crate) fn set_commit(response: &mut Response, commit_id: &str) {
    if let Ok(value) = HeaderValue::from_str(commit_id) {
        response.headers_mut().insert(crate::failure::X_REPO_COMMIT, value);
    }
}
