//! What a hub tells the home of its mirrors: how often they were downloaded. Not an event; it is in no log.

use polder_types::Sha256;

use crate::cbor::Value;
use crate::error::{Error, Result, malformed};
use crate::fields::{Fields, MapWriter, array, hash, items, text, uint};
use crate::key::{PublicKey, SIGNATURE_BYTES, SecretKey};
use crate::leaf::VERSION;
use crate::origin::Origin;

/// Most repositories in one.
pub const COUNT_ROWS_MAX: usize = 1_000;
/// Largest one with its signature, in bytes.
pub const COUNTS_BYTES_MAX: usize = 64 << 10;
/// Most downloads of all its repositories together.
pub const COUNTED_MAX: u64 = 1_000_000;
/// Fewest downloads of a repository, so that none of them is anybody's alone.
pub const COUNT_MIN: u64 = 5;
/// What is signed begins with this.
const DOMAIN: &[u8] = b"polder-fed/1/downloads\n";
const ORIGIN_BYTES_MAX: usize = 262;
const WHAT: &str = "counts of downloads";

/// Downloads of the repositories of one home from one hub, up to a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadCounts {
    /// Who tells.
    pub from: Origin,
    /// Where the repositories are at home.
    pub home: Origin,
    /// The UTC day that it is the statement of, in days since 1970.
    pub day: u64,
    /// Repositories, sorted, and how many downloads of each.
    pub rows: Vec<(Sha256, u64)>,
}

impl DownloadCounts {
    /// The bytes: CBOR of `{0: version, 1: from, 2: home, 3: day, 4: [[rid, count], …]}`.
    pub fn encode(&self) -> Vec<u8> {
        let row = |(rid, count): &(Sha256, u64)| {
            Value::Array(vec![Value::bytes(rid.as_bytes()), Value::Uint(*count)])
        };
        let mut map = MapWriter::default();
        map.put(0, Value::Uint(VERSION.into()));
        map.put(1, Value::text(self.from.as_str()));
        map.put(2, Value::text(self.home.as_str()));
        map.put(3, Value::Uint(self.day));
        map.put(4, Value::Array(self.rows.iter().map(row).collect()));
        let mut out = Vec::new();
        map.finish(&[]).encode(&mut out);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut map = Fields::new(Value::decode(bytes)?)?;
        let version = map.required(0, uint)?;
        if version != u64::from(VERSION) {
            return Err(Error::Unknown { what: "the version of counts of downloads", value: version });
        }
        let origin = |value| text(value, ORIGIN_BYTES_MAX)?.parse();
        let row = |value| {
            let [rid, count] = array(value)?;
            Ok((hash(rid)?, uint(count)?))
        };
        let counts = Self {
            from: map.required(1, origin)?,
            home: map.required(2, origin)?,
            day: map.required(3, uint)?,
            rows: map.required(4, |value| items(value, COUNT_ROWS_MAX)?.into_iter().map(row).collect())?,
        };
        counts.check().map(|()| counts)
    }

    fn check(&self) -> Result<()> {
        if !self.rows.is_sorted_by(|one, other| one.0 < other.0) {
            return Err(malformed(WHAT, "the repositories are not sorted"));
        }
        if self.rows.iter().any(|(_, count)| *count < COUNT_MIN) {
            return Err(malformed(WHAT, "a count is too small to be told"));
        }
        let all = self.rows.iter().try_fold(0_u64, |all, (_, count)| all.checked_add(*count));
        if all.is_none_or(|all| all > COUNTED_MAX) {
            return Err(malformed(WHAT, "more downloads than are believed of one hub a day"));
        }
        Ok(())
    }
}

/// Puts a hub's signature under what [`DownloadCounts::encode`] gave.
pub fn sign_counts(mut counts: Vec<u8>, key: &SecretKey) -> Vec<u8> {
    let signature = key.sign(&[DOMAIN, &counts].concat());
    counts.extend(signature);
    counts
}

/// Counts that may be signed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCounts {
    counts: DownloadCounts,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl SignedCounts {
    /// Reads counts with a signature under them.
    ///
    /// # Errors
    /// When they are in another order, or pass a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > COUNTS_BYTES_MAX {
            return Err(Error::TooLarge { what: WHAT, limit: COUNTS_BYTES_MAX });
        }
        let split = bytes.len().checked_sub(SIGNATURE_BYTES).and_then(|at| bytes.split_at_checked(at));
        let (body, signature) = split.ok_or(malformed(WHAT, "they are cut off"))?;
        let counts = DownloadCounts::decode(body)?;
        Ok(Self { counts, signed: [DOMAIN, body].concat(), signature: signature.to_vec() })
    }

    /// What they say, signed or not.
    pub fn unverified(&self) -> &DownloadCounts {
        &self.counts
    }

    /// What they say, if the holder of `key` has signed them.
    pub fn verify(self, key: &PublicKey) -> Option<DownloadCounts> {
        key.verifies(&self.signed, &self.signature).then_some(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> DownloadCounts {
        DownloadCounts {
            from: "mirror.example.org".parse().unwrap(),
            home: "hub.example.org".parse().unwrap(),
            day: 20_000,
            rows: vec![(Sha256::new([1; 32]), 5), (Sha256::new([2; 32]), 1_000)],
        }
    }

    fn read(counts: &DownloadCounts) -> Result<SignedCounts> {
        SignedCounts::decode(&sign_counts(counts.encode(), &SecretKey::new(&[7; 32])))
    }

    #[test]
    fn only_what_the_key_has_signed_is_said() {
        let key = SecretKey::new(&[7; 32]);
        let bytes = sign_counts(counts().encode(), &key);
        let said = SignedCounts::decode(&bytes).unwrap();
        assert_eq!(said.clone().verify(&key.public()), Some(counts()));
        assert_eq!(said.verify(&SecretKey::new(&[8; 32]).public()), None);
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let said = SignedCounts::decode(&bytes).ok().and_then(|said| said.verify(&key.public()));
            assert_eq!(said, None, "byte {at}");
        }
    }

    #[test]
    fn the_bytes_stay_as_they_are() {
        let one = DownloadCounts { rows: vec![(Sha256::new([1; 32]), 5)], ..counts() };
        let hex = one.encode().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let rid = "01".repeat(32);
        let expected = format!(
            "a5000101726d6972726f722e6578616d706c652e6f7267026f6875622e6578616d706c652e6f726703194e200481825820{rid}05"
        );
        assert_eq!(hex, expected);
    }

    #[test]
    fn what_is_too_little_too_much_or_in_disorder_is_refused() {
        let rows = |rows: Vec<(Sha256, u64)>| read(&DownloadCounts { rows, ..counts() });
        let rid = |byte| Sha256::new([byte; 32]);
        assert!(rows(vec![(rid(1), COUNT_MIN - 1)]).is_err());
        assert!(rows(vec![(rid(1), COUNTED_MAX)]).is_ok());
        assert!(rows(vec![(rid(1), COUNTED_MAX), (rid(2), COUNT_MIN)]).is_err());
        assert!(rows(vec![(rid(1), u64::MAX), (rid(2), u64::MAX)]).is_err());
        assert!(rows(vec![(rid(2), 5), (rid(1), 5)]).is_err());
        assert!(rows(vec![(rid(1), 5), (rid(1), 5)]).is_err());
        assert!(SignedCounts::decode(&[0; SIGNATURE_BYTES - 1]).is_err());
        let many: Vec<_> = (0..=COUNT_ROWS_MAX)
            .map(|n| {
                let mut rid = [0; 32];
                rid[..8].copy_from_slice(&u64::try_from(n).unwrap().to_be_bytes());
                (Sha256::new(rid), 9)
            })
            .collect();
        let most = rows(many[..COUNT_ROWS_MAX].to_vec()).unwrap();
        assert_eq!(most.unverified().rows.len(), COUNT_ROWS_MAX);
        assert!(rows(many).is_err());
    }
}
