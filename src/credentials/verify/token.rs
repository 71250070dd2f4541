//! A token as it arrives: text to bytes to blocks, within hard limits, and not yet believed.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::format::schema;
use prost::Message;

use super::blocks::Blocks;
use super::refusal::{Reason, Refusal};

/// The largest token in bytes, before base64.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The most blocks: the issuer's and fifteen of the holders.
pub const BLOCKS_MAX: usize = 16;

/// Base64 spells each byte string in one way only: stray bits in the last character are refused.
/// Padding may be left out, as other Biscuit libraries do.
const TEXT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

/// A readable token. Nothing in it may be believed before its signatures are checked.
pub(crate) struct Unverified {
    pub(crate) biscuit: UnverifiedBiscuit,
    pub(crate) blocks: Blocks,
}

/// Reads the text of a token.
pub(crate) fn parse(token: &str) -> Result<Unverified, Refusal> {
    let bytes = decode(token)?;
    let container = container(&bytes)?;
    let biscuit = UnverifiedBiscuit::from(&bytes)
        .map_err(|it| malformed("the token is not a biscuit").because(it))?;
    Ok(Unverified { biscuit, blocks: Blocks::decode(&container)? })
}

/// The bytes behind the text, if they are few enough.
pub(crate) fn decode(token: &str) -> Result<Vec<u8>, Refusal> {
    if token.len() > TOKEN_BYTES_MAX.div_ceil(3) * 4 {
        return Err(too_large());
    }
    let bytes = TEXT
        .decode(token)
        .map_err(|it| malformed("the token is not URL-safe base64").because(it))?;
    if bytes.len() > TOKEN_BYTES_MAX {
        return Err(too_large());
    }
    Ok(bytes)
}

/// The signed blocks, if they are few enough; counted before any signature costs time.
pub(crate) fn container(bytes: &[u8]) -> Result<schema::Biscuit, Refusal> {
    let container = schema::Biscuit::decode(bytes)
        .map_err(|it| malformed("the token is not a biscuit").because(it))?;
    if container.blocks.len() >= BLOCKS_MAX {
        return Err(Refusal::new(
            Reason::Limits,
            format!("the token has more than {BLOCKS_MAX} blocks"),
        ));
    }
    Ok(container)
}

pub(crate) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Malformed, detail)
}

fn too_large() -> Refusal {
    Refusal::new(Reason::Limits, format!("the token is larger than {TOKEN_BYTES_MAX} bytes"))
}
