//! One record, sealed: its values under a data key of their own, the data key under a master key.

use rand::TryRngCore as _;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::keys::MasterKey;
use crate::keys::Seed;
use crate::seal::Seal;
use crate::secrets::path::SecretPath;
use crate::secrets::values::{SecretName, Values};
use crate::{Error, Result};

/// What the store holds of a record.
pub struct Envelope {
    pub data_key: Vec<u8>,
    pub body: Vec<u8>,
}

impl Envelope {
    /// Seals the values for this path and their very names, under a new data key.
    pub fn seal(master: &MasterKey, path: SecretPath, values: &Values) -> Result<Envelope> {
        let mut data_key = Seed::default();
        rand::rngs::OsRng.try_fill_bytes(&mut *data_key).map_err(anyhow::Error::from)?;
        let names = values.iter().map(|(name, _)| name);
        let body = Seal::new(&data_key).seal(&of_body(path, names), &packed(values)?)?;
        let data_key = master.seal.seal(&of_key(path), &*data_key)?;
        Ok(Envelope { data_key, body })
    }

    /// The values; an error when the key, the path, a name or a single bit is another.
    pub fn open<'a>(
        &self,
        master: &MasterKey,
        path: SecretPath,
        names: impl IntoIterator<Item = &'a SecretName>,
    ) -> Result<Values> {
        let data_key = self.unwrapped(master, path)?;
        unpacked(&Seal::new(&data_key).open(&of_body(path, names), &self.body)?)
    }

    /// The data key of the same record, wrapped by another master key.
    pub fn rewrapped(&self, from: &MasterKey, to: &MasterKey, path: SecretPath) -> Result<Vec<u8>> {
        to.seal.seal(&of_key(path), &*self.unwrapped(from, path)?)
    }

    fn unwrapped(&self, master: &MasterKey, path: SecretPath) -> Result<Seed> {
        let opened = master.seal.open(&of_key(path), &self.data_key)?;
        let mut data_key = Seed::default();
        let bytes = opened.get(..).filter(|it| it.len() == data_key.len());
        let bytes = bytes.ok_or_else(|| Error::internal("a data key of another length"))?;
        data_key.copy_from_slice(bytes);
        Ok(data_key)
    }
}

fn of_key(path: SecretPath) -> Vec<u8> {
    format!("gatewright secrets 1\0key\0{path}").into_bytes()
}

/// No name holds a NUL, so that no two lists look alike.
fn of_body<'a>(path: SecretPath, names: impl IntoIterator<Item = &'a SecretName>) -> Vec<u8> {
    let mut purpose = format!("gatewright secrets 1\0body\0{path}").into_bytes();
    for name in names {
        purpose.push(0);
        purpose.extend_from_slice(name.as_str().as_bytes());
    }
    purpose
}

/// Lengths (32 bits, big-endian) before each name and value. Filled in place: a buffer that grew
/// would leave its beginning behind in memory.
fn packed(values: &Values) -> Result<Zeroizing<Vec<u8>>> {
    let parts = || values.iter().flat_map(|(name, it)| [name.as_str(), it.expose_secret()]);
    let length = parts().map(|it| it.len() + size_of::<u32>()).sum();
    let mut packed = Zeroizing::new(Vec::with_capacity(length));
    for part in parts() {
        let length = u32::try_from(part.len()).map_err(|_| Error::internal("a value too long"))?;
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(part.as_bytes());
    }
    Ok(packed)
}

fn unpacked(mut rest: &[u8]) -> Result<Values> {
    let damaged = || Error::internal("a sealed record is not packed as it should be");
    let mut values = Values::default();
    while !rest.is_empty() {
        let name = part(&mut rest).ok_or_else(damaged)?.parse().map_err(|_| damaged())?;
        values.insert(name, part(&mut rest).ok_or_else(damaged)?.into());
    }
    Ok(values)
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk()?;
    let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    str::from_utf8(part).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn path(id: u128) -> SecretPath {
        SecretPath::tool(Uuid::from_u128(id))
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, it)| (name.parse().unwrap(), (*it).into())).collect()
    }

    fn plain(values: &Values) -> BTreeMap<String, String> {
        values.iter().map(|(name, it)| (name.to_string(), it.expose_secret().to_owned())).collect()
    }

    #[test]
    fn a_record_opens_in_its_place_and_nowhere_else() {
        let (master, kept) = (MasterKey::generate().unwrap(), values(&[("a", "1"), ("b", "")]));
        let envelope = Envelope::seal(&master, path(1), &kept).unwrap();
        let open = |master, path, names: &Values| envelope.open(master, path, &names.names());
        assert_eq!(plain(&open(&master, path(1), &kept).unwrap()), plain(&kept));
        let other = MasterKey::generate().unwrap();
        assert!(open(&other, path(1), &kept).is_err(), "another key");
        assert!(open(&master, path(2), &kept).is_err(), "another tool");
        let user = SecretPath::of_user(Uuid::from_u128(1), Uuid::from_u128(1));
        assert!(open(&master, user, &kept).is_err(), "a user's own");
        for other in [&[("a", "")][..], &[("a", ""), ("c", "")], &[("ab", "")]] {
            assert!(open(&master, path(1), &values(other)).is_err(), "{other:?}");
        }
    }

    #[test]
    fn another_master_key_takes_over_the_data_key_alone() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let kept = values(&[("a", "1")]);
        let envelope = Envelope::seal(&old, path(1), &kept).unwrap();
        let data_key = envelope.rewrapped(&old, &new, path(1)).unwrap();
        assert!(envelope.rewrapped(&new, &old, path(1)).is_err());
        let moved = Envelope { data_key, body: envelope.body };
        assert_eq!(plain(&moved.open(&new, path(1), &kept.names()).unwrap()), plain(&kept));
        assert!(moved.open(&old, path(1), &kept.names()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_packed_comes_back(
            kept in proptest::collection::btree_map("[!-~]{1,9}", any::<String>(), 0..5)
        ) {
            let pairs: Vec<_> = kept.iter().map(|(name, it)| (&**name, &**it)).collect();
            prop_assert_eq!(plain(&unpacked(&packed(&values(&pairs)).unwrap()).unwrap()), kept);
        }

        #[test]
        fn bytes_that_were_never_packed_are_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64)
        ) {
            let _ = unpacked(&bytes);
        }
    }
}
