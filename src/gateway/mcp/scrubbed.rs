//! What a server says, without the secrets that it was shown: it may well repeat them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::secrets::Scrubber;

/// The same without the values; none where it is nothing of its kind without them.
pub(super) fn scrubbed<T: Serialize + DeserializeOwned>(
    said: &T,
    scrubber: &Scrubber,
) -> Option<T> {
    let mut value = serde_json::to_value(said).ok()?;
    scrubber.json(&mut value);
    serde_json::from_value(value).ok()
}
