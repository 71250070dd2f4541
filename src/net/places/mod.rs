//! Where on earth an address is, as far as a GeoIP file says.

mod file;
mod position;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use notify::RecursiveMode;

pub use self::file::Error;
use self::file::File;
pub use self::position::Position;
use crate::watch::{Pace, Watch};

/// Tells where addresses are. Without a file, every address is nowhere.
#[derive(Debug, Default)]
pub struct Places {
    file: Option<File>,
}

/// Where an address is; what is unknown is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    pub country: Option<Country>,
    pub position: Option<Position>,
}

impl Places {
    /// Reads the file (MaxMind DB, records like those of GeoIP2 Country or City) into memory.
    ///
    /// # Errors
    /// The file cannot be read, is of another format, or knows no countries.
    pub fn open(path: &Path) -> Result<Places, Error> {
        Ok(Places { file: Some(File::open(path)?) })
    }

    /// When the file's data was put together.
    pub fn built_at(&self) -> Option<Timestamp> {
        self.file.as_ref()?.built_at()
    }

    /// The country of an address: a microsecond's work, and nothing is kept.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        self.file.as_ref()?.country(address.to_canonical())
    }

    /// Country and position of an address.
    pub fn find(&self, address: IpAddr) -> Place {
        let file = self.file.as_ref();
        file.map(|it| it.place(address.to_canonical())).unwrap_or_default()
    }

    /// Reads the file again whenever it has changed, until the watch is dropped. A change that
    /// cannot be used is logged and otherwise ignored: what was read before goes on answering.
    ///
    /// # Errors
    /// The operating system refuses to watch the file's folder.
    pub fn watch(self: Arc<Self>, pace: Pace) -> notify::Result<Option<Watch>> {
        let Some(file) = &self.file else { return Ok(None) };
        let folder = file.folder().to_owned();
        let folders = [(folder.as_path(), RecursiveMode::NonRecursive)];
        let look = {
            let places = Arc::clone(&self);
            move || places.file.iter().for_each(File::look)
        };
        Watch::start("places-watch", &folders, pace, look).map(Some)
    }
}

/// A country's two letters (ISO 3166-1 alpha-2), upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Two letters of any case; none for anything else.
    pub fn parse(text: &str) -> Option<Country> {
        let letters = <[u8; 2]>::try_from(text.as_bytes()).ok()?;
        letters.iter().all(u8::is_ascii_alphabetic).then(|| Country(letters.map(up)))
    }
}

fn up(letter: u8) -> u8 {
    letter.to_ascii_uppercase()
}

impl fmt::Display for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|it| write!(out, "{}", char::from(*it)))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(Country::parse("de").unwrap().to_string(), "DE");
        assert_eq!(Country::parse("DE"), Country::parse("de"));
        for bad in ["", "D", "DEU", "D1", "Ü"] {
            assert_eq!(Country::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn without_a_file_every_address_is_nowhere() {
        assert_eq!(Places::default().find([192, 0, 2, 1].into()), Place::default());
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("places.mmdb");
        let refused = || Places::open(&path).unwrap_err();
        assert!(matches!(refused(), Error::Read { .. }));
        std::fs::write(&path, "<html>not found</html>").unwrap();
        assert!(matches!(refused(), Error::Format { .. }));
        assert!(refused().to_string().contains("places.mmdb"), "{}", refused());
    }
}
