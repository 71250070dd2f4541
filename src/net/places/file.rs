//! The GeoIP file: read whole, and read again when it changes.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use maxminddb::{MaxMindDbError, PathElement, Reader};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Country, Place, Position};
use crate::stamp::Stamp;

/// Among so many networks a file about countries names one.
const NETWORKS_SEARCHED_MAX: usize = 1000;
const ISO_CODE: [PathElement<'_>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];
const LOCATION: [PathElement<'_>; 1] = [PathElement::Key("location")];

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the GeoIP file `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no MaxMind DB file", path.display())]
    Format { path: PathBuf, source: MaxMindDbError },
    #[error("`{}` knows no countries (`country.iso_code`): it is a file about something else", path.display())]
    NoCountries { path: PathBuf },
}

/// A GeoIP file in use.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    reader: ArcSwap<Reader<Vec<u8>>>,
    seen: Mutex<Option<Stamp>>,
}

/// The part of a record that says where, in degrees.
#[derive(Deserialize)]
struct Location {
    latitude: f64,
    longitude: f64,
}

impl File {
    pub fn open(path: &Path) -> Result<File, Error> {
        // Stamped before it is read, so that a change in between counts as one.
        let seen = Mutex::new(Stamp::of(path));
        let reader = ArcSwap::from_pointee(read(path)?);
        Ok(File { path: path.to_owned(), reader, seen })
    }

    /// The folder that the file is in.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(it) if it != Path::new("") => it,
            _ => Path::new("."),
        }
    }

    pub fn built_at(&self) -> Option<Timestamp> {
        let seconds = i64::try_from(self.reader.load().metadata().build_epoch).ok()?;
        Timestamp::from_second(seconds).ok()
    }

    pub fn country(&self, address: IpAddr) -> Option<Country> {
        country(&self.reader.load(), address)
    }

    pub fn place(&self, address: IpAddr) -> Place {
        let reader = self.reader.load();
        let location: Option<Location> = part(&reader, address, &LOCATION);
        Place {
            country: country(&reader, address),
            position: location.and_then(|it| Position::new(it.latitude, it.longitude)),
        }
    }

    /// Reads the file again if it has changed.
    pub fn look(&self) {
        let stamp = Stamp::of(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == stamp {
            return;
        }
        *seen = stamp;
        let path = self.path.display();
        match read(&self.path) {
            Ok(reader) => {
                self.reader.store(Arc::new(reader));
                tracing::info!(%path, "GeoIP file reloaded");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%path, error, "GeoIP file not reloaded, the old one stays");
            }
        }
    }
}

fn read(path: &Path) -> Result<Reader<Vec<u8>>, Error> {
    let path = || path.to_owned();
    let bytes = std::fs::read(path()).map_err(|source| Error::Read { path: path(), source })?;
    let format = |source| Error::Format { path: path(), source };
    let reader = Reader::from_source(bytes).map_err(format)?;
    let mut networks = reader.networks(Default::default()).map_err(format)?;
    let names_one = networks.by_ref().take(NETWORKS_SEARCHED_MAX).any(|network| {
        network.is_ok_and(|it| it.decode_path::<&str>(&ISO_CODE).is_ok_and(|it| it.is_some()))
    });
    drop(networks);
    if names_one { Ok(reader) } else { Err(Error::NoCountries { path: path() }) }
}

fn country(reader: &Reader<Vec<u8>>, address: IpAddr) -> Option<Country> {
    let code: String = part(reader, address, &ISO_CODE)?;
    Country::parse(&code)
}

/// One part of the record of an address. What a damaged file does not tell is unknown, which
/// policies and ratings take for the worse.
fn part<T: DeserializeOwned>(
    reader: &Reader<Vec<u8>>,
    address: IpAddr,
    path: &[PathElement<'_>],
) -> Option<T> {
    // An error for an address of the other family, too, which such a file knows nothing of.
    reader.lookup(address).ok()?.decode_path(path).ok()?
}
