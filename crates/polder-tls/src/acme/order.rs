//! One certificate: ordered, proved, fetched.

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

use super::Acme;
use crate::{Certificate, Error, Served};

/// How often and how long the authority is asked whether it is done.
const POLLS: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_secs(1)).timeout(Duration::from_mins(2));

impl Acme {
    /// Orders a certificate for the domains and puts it on the shelf.
    pub(super) async fn order(&self, served: &Served) -> Result<Certificate, Error> {
        let account = self.account().await?;
        let failed = |error| self.error("the order failed").caused_by(error);
        let identifiers: Vec<Identifier> =
            self.options.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(|error| {
            self.forget_lost_account(&error);
            failed(error)
        })?;
        self.prove(&mut order, served).await?;
        match order.poll_ready(&POLLS).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) | Err(instant_acme::Error::Api(_)) => return Err(self.refusal(&mut order).await),
            Err(error) => return Err(failed(error)),
        }
        let key = KeyPair::generate().map_err(|error| self.error("no key for it").caused_by(error))?;
        let request = request(&self.options.domains, &key)
            .map_err(|error| self.error("no signing request for it").caused_by(error))?;
        order.finalize_csr(&request).await.map_err(failed)?;
        let chain = order.poll_certificate(&POLLS).await.map_err(failed)?;
        let certificate = self.shelf.keep_certificate(&key.serialize_pem(), &chain)?;
        match certificate.problem_at(self.clock.now()) {
            None => Ok(certificate),
            Some(problem) => Err(self.error(&format!("the certificate it issued {problem}"))),
        }
    }

    /// Shows the answer to every challenge, then says that it is there.
    async fn prove(&self, order: &mut Order, served: &Served) -> Result<(), Error> {
        let failed = |error| self.error("the proof failed").caused_by(error);
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let domain = authorization.identifier().to_string();
            let mut challenge = authorization
                .challenge(ChallengeType::TlsAlpn01)
                .ok_or_else(|| self.error(&format!("offers no TLS-ALPN-01 challenge for {domain}")))?;
            let answer = answer(&domain, challenge.key_authorization().digest().as_ref())
                .map_err(|error| self.error("no certificate for its challenge").caused_by(error))?;
            served.begin_challenge(&domain, answer.0, answer.1)?;
            challenge.set_ready().await.map_err(failed)?;
        }
        Ok(())
    }

    /// Why the authority refused, as it says for each domain.
    async fn refusal(&self, order: &mut Order) -> Error {
        let mut reasons = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let Ok(mut authorization) = authorization else { continue };
            let Ok(state) = authorization.refresh().await else { continue };
            let domain = state.identifier().to_string();
            let errors = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            reasons.extend(errors.map(|error| format!("{domain}: {error}")));
        }
        self.error(&format!("refused the order: {}", reasons.join("; ")))
    }
}

fn request(domains: &[String], key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(domains)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// The certificate, and its key, that prove control of `domain`.
///
/// Source: RFC 8737 §3: self-signed, for that name alone, with the digest in a critical extension.
fn answer(domain: &str, digest: &[u8]) -> Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.der().to_vec(), key.serialize_der()))
}
