//! Other hubs that this one follows, what is taken of them, and how far each mirror is.

mod attests;
mod behind;
mod carried;
mod elsewhere;
pub(crate) mod epoch;
mod home;
pub(crate) mod lazy;
mod limits;
mod mirrors;
mod missing;
mod moved;
mod page;
mod publish;
mod purge;
mod reselect;
mod rows;
mod sources;
mod standing;
mod unknown;

use std::fmt;
use std::str::FromStr;

use polder_types::UnixMillis;

pub use attests::Attest;
pub use behind::BehindMirror;
pub use carried::CarriedRule;
pub use elsewhere::MoveElsewhere;
pub use home::{MOVED_REPOS_MAX, MoveAway, MoveHere};
pub use lazy::LazyObject;
pub use limits::{FollowLimits, LimitChange, LimitChanges};
pub use mirrors::{Mirror, MirrorEnd, MirrorState};
pub use missing::MissingBody;
pub(crate) use moved::put as put_move;
pub use moved::{FollowedMove, Move, MoveState};
pub use page::{FollowedPage, MirrorTarget};
pub use publish::MirrorPublish;
pub(crate) use publish::publish;
pub use purge::Purgeable;
pub use rows::SnapshotRows;
pub use sources::FollowSource;
pub use standing::MirrorStanding;

use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

/// Every statement about following.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[
    ALL,
    attests::ALL,
    behind::ALL,
    carried::ALL,
    elsewhere::ALL,
    epoch::ALL,
    home::ALL,
    lazy::ALL,
    limits::ALL,
    mirrors::ALL,
    missing::ALL,
    moved::ALL,
    page::ALL,
    publish::ALL,
    purge::ALL,
    reselect::ALL,
    sources::ALL,
    standing::ALL,
    unknown::ALL,
];
/// Every list statement about following.
#[cfg(test)]
pub(crate) const TEMPLATES: &[&[&crate::sql::Template]] =
    &[lazy::TEMPLATES, limits::TEMPLATES, rows::TEMPLATES];

/// The columns that [`Upstream::from_row`] reads.
macro_rules! select_upstream {
    ($rest:literal) => {
        concat!(
            "SELECT log, url, state, evidence, signed, heard_at, last_error, purge_until, budget, rate, \
             hours FROM upstream ",
            $rest
        )
    };
}

statements! {
    UPSERT = "INSERT INTO upstream (log, url, state, signed, created_at) VALUES ($1, $2, 'following', 0, $3) \
        ON CONFLICT (log) DO UPDATE SET url = excluded.url, last_error = NULL, \
        state = CASE WHEN upstream.state = 'unfollowed' THEN 'following' ELSE upstream.state END";
    UPSTREAMS = select_upstream!("ORDER BY log LIMIT $1");
    UPSTREAM = select_upstream!("WHERE log = $1");
    DROP_RULES = "DELETE FROM follow_rule WHERE log = $1";
    INSERT_RULE = "INSERT INTO follow_rule (log, place, pattern, mode) VALUES ($1, $2, $3, $4)";
    RULES = "SELECT pattern, mode FROM follow_rule WHERE log = $1 ORDER BY place";
    SET_STATE = "UPDATE upstream SET state = $2, evidence = $3, last_error = $4 WHERE log = $1";
    HEARD = "UPDATE upstream SET last_error = $2, heard_at = $3 WHERE log = $1";
    NOT_HEARD = "UPDATE upstream SET last_error = $2 WHERE log = $1";
}

/// Most upstreams that are listed.
const UPSTREAMS_MAX: i64 = 1_000;
/// Longest reason that is kept, in characters.
const ERROR_CHARS_MAX: usize = 500;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal: $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const EVERY: &[Self] = &[$(Self::$variant,)*];

            /// The word used in the database and in lists.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!(concat!("`{}` is not ", $what), text)),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Whether an upstream is followed.
    UpstreamState, "the state of an upstream":
    /// It is.
    Following = "following",
    /// Its hub signed two pasts: nothing more is taken until the operator has decided.
    Frozen = "frozen",
    /// No longer; what is here stays.
    Unfollowed = "unfollowed",
}

words! {
    /// How much of a repository is taken.
    MirrorMode, "one of metadata, lazy, full, archive":
    /// Only what the log says of it.
    Metadata = "metadata",
    /// All of git; large objects when somebody first asks for one.
    Lazy = "lazy",
    /// All that its refs reach, large objects too.
    Full = "full",
    /// As full, and what its refs reached before.
    Archive = "archive",
}

/// A hub that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Local id of its log.
    pub log: i64,
    /// Base of its URLs, without a trailing slash.
    pub url: String,
    /// Whether it is.
    pub state: UpstreamState,
    /// Two contradictory notes that it signed.
    pub evidence: Option<String>,
    /// Events that it is known to have signed.
    pub signed: u64,
    /// When it last answered.
    pub heard_at: Option<UnixMillis>,
    /// What is wrong, if anything.
    pub last_error: Option<String>,
    /// What was taken away until then may be purged, however much that is.
    pub purge_until: Option<UnixMillis>,
    /// What limits its mirrors.
    pub limits: FollowLimits,
}

/// Which repositories are taken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowRule {
    /// `acme/*`, `datasets/acme/d`, `*`: an id with stars in it.
    pub pattern: String,
    /// How much of each.
    pub mode: MirrorMode,
}

impl FollowRule {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { pattern: row.read(0)?, mode: row.word(1)? })
    }
}

impl Upstream {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            log: row.read(0)?,
            url: row.read(1)?,
            state: row.word(2)?,
            evidence: row.read(3)?,
            signed: u64::try_from(row.read::<i64>(4)?).unwrap_or_default(),
            heard_at: row.read::<Option<i64>>(5)?.map(UnixMillis),
            last_error: row.read(6)?,
            purge_until: row.read::<Option<i64>>(7)?.map(UnixMillis),
            limits: FollowLimits::from_row(row, 8)?,
        })
    }
}

/// A text that fits its column: PostgreSQL's text holds no NUL.
fn short(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(ERROR_CHARS_MAX).collect()
}

impl Db {
    /// Follows a hub whose log is here, or goes on with other rules, instead also of those that came with
    /// namespaces which moved there; a frozen one stays so.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_upstream(&self, log: i64, url: String, rules: Vec<FollowRule>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                tx.execute(UPSERT, args![log, url, now]).await?;
                attests::forget(tx, log).await?;
                let before = each(&tx.rows(RULES, args![log]).await?, FollowRule::from_row)?;
                if before != rules {
                    carried::drop(tx, log).await?;
                }
                tx.execute(DROP_RULES, args![log]).await?;
                for (place, rule) in (0_i64..).zip(rules) {
                    tx.execute(INSERT_RULE, args![log, place, rule.pattern, rule.mode.as_str()]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Every hub that is or was followed.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_upstreams(&self) -> Result<Vec<Upstream>> {
        each(&self.rows(UPSTREAMS, args![UPSTREAMS_MAX]).await?, Upstream::from_row)
    }

    /// One of them.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn upstream(&self, log: i64) -> Result<Option<Upstream>> {
        self.row(UPSTREAM, args![log]).await?.map(|row| Upstream::from_row(&row)).transpose()
    }

    /// Its rules, in order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn follow_rules(&self, log: i64) -> Result<Vec<FollowRule>> {
        each(&self.rows(RULES, args![log]).await?, FollowRule::from_row)
    }

    /// Changes whether an upstream is followed, with the reason for it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_upstream_state(
        &self,
        log: i64,
        state: UpstreamState,
        evidence: Option<String>,
        why: Option<String>,
    ) -> Result<()> {
        let why = why.map(|why| short(&why));
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(SET_STATE, args![log, state.as_str(), evidence, why]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Writes down that an upstream answered, or what went wrong.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn heard_upstream(&self, log: i64, problem: Option<String>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                heard(tx, log, problem).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

async fn heard(tx: &mut Tx, log: i64, problem: Option<String>) -> Result<()> {
    let now = tx.now();
    match problem {
        Some(problem) => tx.execute(NOT_HEARD, args![log, short(&problem)]).await?,
        None => tx.execute(HEARD, args![log, None::<String>, now]).await?,
    };
    Ok(())
}
