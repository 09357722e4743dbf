//! Telling webhooks, each in its own turn: who is slow or gone holds nobody else up.

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use polder_db::{Delivery, DeliveryEnd, Job, Talk, WEBHOOK_JOB};
use polder_egress::{Request, Url};
use polder_types::{AccountId, RepoName, failpoint};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::payload::{Told, hex_id, repo};
use super::talk;
use crate::Hub;
use crate::error::{Error, Result};

/// Webhooks told at once.
const IN_FLIGHT_MAX: usize = 32;
/// What one webhook is told before others have their turn.
const IN_A_ROW_MAX: usize = 8;
/// How long one try may take: name, connection, TLS and the head of the answer. Its body is not read.
const TRY_MAX: Duration = Duration::from_secs(10);
/// How long a claim lasts; more than all tries in a row.
const LEASE_SECONDS: i64 = 120;
/// Pause after each failed try of a delivery, in seconds. After the last it is given up.
const PAUSES_SECONDS: [i64; 5] = [10, 60, 300, 1_800, 7_200];
/// A webhook that takes nothing for so long is disabled, in seconds.
const FAILING_SECONDS_MAX: i64 = 3 * 86_400;
/// Longest time between two looks for work; other nodes may have left some.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

const X_WEBHOOK_SECRET: HeaderName = HeaderName::from_static("x-webhook-secret");
const X_POLDER_DELIVERY: HeaderName = HeaderName::from_static("x-polder-delivery");
const X_POLDER_SIGNATURE: HeaderName = HeaderName::from_static("x-polder-signature");

impl Hub {
    /// Tells webhooks, now and whenever there is something to tell. Ends never; failures are written down with
    /// their webhook and tried again.
    pub(crate) async fn keep_telling_webhooks(&self) {
        self.keep_telling_every(LOOK_PERIOD).await;
    }

    /// The same, with `look` between two looks where nothing rings.
    pub(super) async fn keep_telling_every(&self, look: Duration) {
        let (mut to_tell, mut running) = (self.db.to_tell(), JoinSet::new());
        loop {
            let due = self.start_telling(&mut running).await.unwrap_or_else(|error| {
                tracing::error!(error = %error.chain(), "cannot look for webhooks to tell");
                None
            });
            tokio::select! {
                () = tokio::time::sleep(due.unwrap_or(look).min(look)) => {}
                _changed = to_tell.changed() => {}
                Some(ended) = running.join_next() => log_end(ended),
            }
        }
    }

    /// Tells what is due and waits for it; how many webhooks there were.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn tell_webhooks_due(&self) -> Result<usize> {
        let (mut running, mut count) = (JoinSet::new(), 0);
        loop {
            let before = running.len();
            self.start_telling(&mut running).await?;
            count += running.len() - before;
            match running.join_next().await {
                Some(ended) => log_end(ended),
                None => return Ok(count),
            }
        }
    }

    /// Starts what is due and has a place; how long until something is due again, if anything is.
    async fn start_telling(&self, running: &mut JoinSet<Result<()>>) -> Result<Option<Duration>> {
        while self.db.queue_webhooks().await? {}
        let places = IN_FLIGHT_MAX.saturating_sub(running.len());
        let Some(due) = self.db.next_job_due(WEBHOOK_JOB).await? else { return Ok(None) };
        let now = self.clock.now();
        if due > now || places == 0 {
            let wait = u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0);
            return Ok(Some(Duration::from_millis(wait.max(100))));
        }
        let limit = i64::try_from(places).unwrap_or(1);
        for job in self.db.claim_jobs(&[WEBHOOK_JOB], LEASE_SECONDS, limit).await? {
            let hub = self.clone();
            running.spawn(async move { hub.tell_webhook(&job).await });
        }
        Ok(Some(Duration::ZERO))
    }

    /// Tells one webhook what waits for it.
    async fn tell_webhook(&self, job: &Job) -> Result<()> {
        let webhook: i64 = job.payload.parse().map_err(Error::internal)?;
        for _ in 0..IN_A_ROW_MAX {
            let Some(delivery) = self.db.next_delivery(webhook).await? else {
                self.db.finish_job(job).await?;
                return Ok(());
            };
            let end = self.tell(&delivery).await?;
            failpoint::hit("webhook.told");
            let attempt = usize::try_from(delivery.attempts).unwrap_or(usize::MAX);
            let pause = PAUSES_SECONDS.get(attempt).or(PAUSES_SECONDS.last()).copied().unwrap_or(0);
            let (result, error) = match &end {
                DeliveryEnd::Taken => ("taken", None),
                DeliveryEnd::Withheld => ("withheld", None),
                DeliveryEnd::Failed(error) => ("failed", Some(error.clone())),
                DeliveryEnd::GivenUp(error) => ("given-up", Some(error.clone())),
                DeliveryEnd::Disabled(error) => ("disabled", Some(error.clone())),
            };
            metrics::counter!("polder_webhook_deliveries_total", "result" => result).increment(1);
            let since = self.db.end_delivery(&delivery, end).await?;
            let Some(error) = error else { continue };
            let now = self.clock.now();
            if since.is_some_and(|since| now.0 - since.0 >= FAILING_SECONDS_MAX * 1000) {
                self.db.end_delivery(&delivery, DeliveryEnd::Disabled(error.clone())).await?;
            }
            self.db.fail_job(job, &error, now.plus_seconds(pause)).await?;
            return Ok(());
        }
        self.db.fail_job(job, "others have their turn", self.clock.now()).await?;
        Ok(())
    }

    /// One try.
    async fn tell(&self, delivery: &Delivery) -> Result<DeliveryEnd> {
        let may_know = match self.db.account(delivery.account).await? {
            Some(account) => self.account_reads(&account, &delivery.repo).await?,
            None => false,
        };
        let payload = if may_know { self.payload(delivery).await? } else { None };
        let Some(payload) = payload else { return Ok(DeliveryEnd::Withheld) };
        let request = self.request(delivery, payload.to_string())?;
        let error = match self.egress.send(request).await {
            Ok(answer) if answer.status().is_success() => return Ok(DeliveryEnd::Taken),
            Ok(answer) => format!("it answered with status {}", answer.status().as_u16()),
            Err(error) if error.kind() == polder_egress::Kind::Refused => {
                return Ok(DeliveryEnd::Disabled(error.to_string()));
            }
            Err(error) => error.to_string(),
        };
        let is_last = usize::try_from(delivery.attempts).is_ok_and(|tried| tried >= PAUSES_SECONDS.len());
        Ok(if is_last { DeliveryEnd::GivenUp(error) } else { DeliveryEnd::Failed(error) })
    }

    async fn payload(&self, delivery: &Delivery) -> Result<Option<Value>> {
        let entry = self.db.catalog_entry(delivery.repo.id).await?;
        let mut head = entry.and_then(|entry| entry.commit);
        let (mut name, mut members) = (delivery.repo.name.clone(), Map::new());
        if let Some((kind, facts)) = &delivery.fact {
            let Some(told) = Told::of(kind, facts) else { return Ok(None) };
            head = told.head_or(head);
            match told.renamed() {
                Some((from, to)) => {
                    let owner = self.owner_id(&to, delivery).await?;
                    members = told.members(Some((&to, owner)));
                    name = from;
                }
                None => members = told.members(None),
            }
        } else if let Some(told) = &delivery.told {
            let talk: Talk = serde_json::from_str(told).map_err(Error::internal)?;
            members = talk::members(&talk, delivery, &self.public_url);
        }
        let owner = self.owner_id(&name, delivery).await?;
        members.insert("repo".to_owned(), repo(delivery, &name, owner, head, &self.public_url));
        members.insert("webhook".to_owned(), json!({ "id": hex_id(delivery.webhook), "version": 3 }));
        Ok(Some(Value::Object(members)))
    }

    /// The account of a name's namespace.
    async fn owner_id(&self, name: &RepoName, delivery: &Delivery) -> Result<AccountId> {
        let account = self.db.find_account(&name.namespace().fold()).await?;
        Ok(account.map_or(delivery.repo.namespace, |account| account.id))
    }

    /// The request of one try. Its signature is over the time, the delivery's id and the body, so that whoever
    /// gets it can tell an old one that is sent again.
    fn request(&self, delivery: &Delivery, body: String) -> Result<Request> {
        let url: Url = delivery.settings.url.parse()?;
        let (id, time) = (hex_id(delivery.id), self.clock.now().0 / 1000);
        let header = |text: &str| HeaderValue::from_str(text).map_err(Error::internal);
        let signature = match &delivery.settings.secret {
            Some(secret) => Some(format!("t={time},v1={}", signature(secret, time, &id, &body)?)),
            None => None,
        };
        let mut request = Request::post(&url, &self.webhook_allowance, Bytes::from(body))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(X_POLDER_DELIVERY, header(&id)?)
            .redirects_max(0)
            .wait_max(TRY_MAX);
        if let Some(secret) = &delivery.settings.secret {
            request = request.header(X_WEBHOOK_SECRET, header(secret)?);
        }
        if let Some(signature) = signature {
            request = request.header(X_POLDER_SIGNATURE, header(&signature)?);
        }
        Ok(request)
    }
}

/// HMAC-SHA-256 of `time.id.body`, in hexadecimal.
pub(super) fn signature(secret: &str, time: i64, id: &str, body: &str) -> Result<String> {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes());
    let mut mac = mac.map_err(|error| Error::internal(error.to_string()))?;
    mac.update(format!("{time}.{id}.{body}").as_bytes());
    Ok(polder_types::Sha256::new(mac.finalize().into_bytes().into()).to_string())
}

fn log_end(ended: std::result::Result<Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = %error.chain(), "what came of a webhook is lost"),
        Err(error) => tracing::error!(%error, "telling a webhook ended by itself"),
    }
}
