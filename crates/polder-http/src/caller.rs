//! From the `Authorization` header to a principal, once, whatever form the token came in.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::request::Parts;
use http::{HeaderMap, header};
use polder_hub::{
    Contribute, Contribution, Credentials, Error, Grant, Hub, Kind, Manage, Principal, Read, Result, Secret,
    See, Write,
};

use crate::client_address::ClientAddress;
use crate::place::Target;

/// Base64 with or without its padding: clients send both.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What GitHub's habit puts in the password's place when the token is the user name.
const TOKEN_IS_THE_USER_NAME: &str = "x-oauth-basic";

/// Who sent a request, and the hub they sent it to.
#[derive(Clone)]
pub struct Caller {
    hub: Hub,
    principal: Principal,
}

impl Caller {
    /// Authenticates the sender of a request. No header but `Authorization` takes part.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a header that cannot be read, [`Kind::Unauthenticated`] for credentials
    /// that are not valid: also where nothing would be needed, so that a mistyped token is noticed;
    /// [`Kind::Throttled`] after too many of those.
    pub async fn of(hub: &Hub, request: &Parts) -> Result<Self> {
        let credentials = credentials(&request.headers)?;
        let principal = hub.authenticate(credentials, ClientAddress::to_count_for(request)).await?;
        Ok(Self { hub: hub.clone(), principal })
    }

    /// Who it is.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Permission to know of the repository that the path names.
    ///
    /// # Errors
    /// As [`Hub::see`]; a name that cannot exist is answered like one that does not.
    pub async fn see(&self, target: &Target) -> Result<Grant<See>> {
        match target {
            Target::Name(name) => self.hub.see(&self.principal, name).await,
            Target::Impossible(text) => Err(self.missing(text)),
        }
    }

    /// Permission to read the repository that the path names.
    ///
    /// # Errors
    /// As [`Hub::read`]; a name that cannot exist is answered like one that does not.
    pub async fn read(&self, target: &Target) -> Result<Grant<Read>> {
        match target {
            Target::Name(name) => self.hub.read(&self.principal, name).await,
            Target::Impossible(text) => Err(self.missing(text)),
        }
    }

    /// Permission to write to the repository that the path names.
    ///
    /// # Errors
    /// As [`Hub::write`]; a name that cannot exist is answered like one that does not.
    pub async fn write(&self, target: &Target) -> Result<Grant<Write>> {
        match target {
            Target::Name(name) => self.hub.write(&self.principal, name).await,
            Target::Impossible(text) => Err(self.missing(text)),
        }
    }

    /// Permission to contribute to the repository that the path names.
    ///
    /// # Errors
    /// As [`Hub::contribute`]; a name that cannot exist is answered like one that does not.
    pub async fn contribute(&self, target: &Target, to: Contribution) -> Result<Grant<Contribute>> {
        match target {
            Target::Name(name) => self.hub.contribute(&self.principal, name, to).await,
            Target::Impossible(text) => Err(self.missing(text)),
        }
    }

    /// Permission to rename, hide or delete the repository that the path names.
    ///
    /// # Errors
    /// As [`Hub::manage`]; a name that cannot exist is answered like one that does not.
    pub async fn manage(&self, target: &Target) -> Result<Grant<Manage>> {
        match target {
            Target::Name(name) => self.hub.manage(&self.principal, name).await,
            Target::Impossible(text) => Err(self.missing(text)),
        }
    }

    fn missing(&self, name: &str) -> Error {
        Error::hidden(self.principal.is_anonymous(), name)
    }
}

/// Reads the credentials of a request: Bearer, or Basic with the token as the password, or as the user
/// name with an empty or `x-oauth-basic` password.
///
/// # Errors
/// [`Kind::Invalid`] for several or unreadable headers, [`Kind::Unauthenticated`] for another scheme.
pub fn credentials(headers: &HeaderMap) -> Result<Credentials> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Credentials::None) };
    if values.next().is_some() {
        return Err(Error::new(Kind::Invalid, "send one `Authorization` header"));
    }
    let unreadable = || Error::new(Kind::Invalid, "the `Authorization` header cannot be read");
    let (scheme, rest) =
        value.to_str().ok().map(str::trim).and_then(|text| text.split_once(' ')).ok_or_else(unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return if rest.is_empty() { Err(unreadable()) } else { Ok(token(rest)) };
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Error::new(Kind::Unauthenticated, "only Basic and Bearer are known here"));
    }
    let pair = LENIENT.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = pair.ok_or_else(unreadable)?;
    let (user, password) = pair.split_once(':').ok_or_else(unreadable)?;
    match (user, password) {
        ("", "") => Err(Error::new(Kind::Unauthenticated, "an access token goes in the password's place")),
        (user, "" | TOKEN_IS_THE_USER_NAME) => Ok(token(user)),
        (_, password) => Ok(token(password)),
    }
}

fn token(text: &str) -> Credentials {
    Credentials::Token(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(values: &[&str]) -> Result<Option<String>, Kind> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("header"));
        }
        match credentials(&headers) {
            Ok(Credentials::None) => Ok(None),
            Ok(Credentials::Token(secret)) => Ok(Some(secret.reveal().to_owned())),
            Err(error) => Err(error.kind()),
        }
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }

    #[test]
    fn every_form_of_a_token_is_the_same_token() {
        let same = Ok(Some("pld_x".to_owned()));
        assert_eq!(read(&["Bearer pld_x"]), same);
        assert_eq!(read(&["bearer   pld_x "]), same);
        for pair in ["ann:pld_x", ":pld_x", "pld_x:", "pld_x:x-oauth-basic"] {
            assert_eq!(read(&[&basic(pair)]), same, "{pair}");
            assert_eq!(read(&[basic(pair).trim_end_matches('=')]), same, "{pair} unpadded");
            assert_eq!(read(&[&basic(pair).replace("Basic", "basic")]), same, "{pair} lower case");
        }
        assert_eq!(read(&[&basic("ann:a:b")]), Ok(Some("a:b".to_owned())));
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn what_cannot_be_credentials_is_refused() {
        for bad in ["Basic", "Basic !!!", "Bearer", "Bearer ", "pld_x", "", &basic("no-colon"), "Basic /w=="]
        {
            assert_eq!(read(&[bad]), Err(Kind::Invalid), "{bad}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(Kind::Invalid));
        for other in ["Digest a=b", "Negotiate YII", "AWS4-HMAC-SHA256 Credential=x", &basic(":")] {
            assert_eq!(read(&[other]), Err(Kind::Unauthenticated), "{other}");
        }
    }
}
