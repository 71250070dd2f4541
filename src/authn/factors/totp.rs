//! Codes of authenticator apps: TOTP (RFC 6238) as every app reads it: SHA-1, 6 digits, 30 s.

use qrcode::QrCode;
use qrcode::render::svg;
use rand::TryRngCore as _;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use totp_rs::{Builder, Secret, Totp};

use crate::Result;

const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;
/// 160 bits, the length of the hash (RFC 4226 section 4).
const SECRET_BYTES: usize = 20;
/// Pixels that a phone's camera reads from a screen at arm's length.
const QR_SIDE_MIN: u32 = 240;

/// The secret that an app and the server share. Its `Debug` shows nothing.
#[derive(Debug)]
pub struct TotpSecret(Secret);

/// What the owner puts into an authenticator app; shown once.
#[derive(Debug)]
pub struct Provisioning {
    /// Base32, for those who type it.
    pub secret: SecretString,
    /// `otpauth://totp/…`, for those who follow it.
    pub uri: SecretString,
    /// The same as a QR code, for those who scan it: an SVG document.
    pub qr_svg: SecretString,
}

/// Six digits that somebody typed.
pub struct Code([u8; DIGITS]);

impl Code {
    /// The digits of `text`, which may be grouped by spaces.
    pub fn parse(text: &str) -> Option<Code> {
        let mut digits = text.bytes().filter(|it| *it != b' ');
        let mut code = [0; DIGITS];
        for place in &mut code {
            *place = digits.next().filter(u8::is_ascii_digit)?;
        }
        digits.next().is_none().then_some(Code(code))
    }
}

impl TotpSecret {
    pub fn generate() -> Result<TotpSecret> {
        let mut bytes = [0u8; SECRET_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
        Ok(TotpSecret(bytes.into()))
    }

    /// The secret as it was stored.
    pub fn from_bytes(bytes: &[u8]) -> TotpSecret {
        TotpSecret(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// For the account `account` at `issuer`, as the app is to show it. Neither may hold a colon.
    pub fn provisioning(&self, issuer: &str, account: &str) -> Result<Provisioning> {
        let builder = Builder::new().with_issuer(Some(issuer)).with_account_name(account);
        let uri = self.totp(builder)?.to_url().map_err(anyhow::Error::from)?;
        let qr = QrCode::new(&uri).map_err(anyhow::Error::from)?;
        let qr = qr.render::<svg::Color>().min_dimensions(QR_SIDE_MIN, QR_SIDE_MIN).build();
        Ok(Provisioning { secret: self.0.to_base32().into(), uri: uri.into(), qr_svg: qr.into() })
    }

    /// The step (30 s since the epoch) that `code` belongs to, among the one of `now` and those
    /// beside it; the clocks of phones are seldom right. `now` is in microseconds.
    ///
    /// Takes the same time whether and wherever it fits.
    pub fn step_of(&self, code: &Code, now: i64) -> Result<Option<i64>> {
        let totp = self.totp(Builder::new())?;
        let current = now / 1_000_000 / STEP_SECONDS;
        let mut found = None;
        for step in current - 1..=current + 1 {
            let seconds = u64::try_from(step * STEP_SECONDS).map_err(anyhow::Error::from)?;
            let right = totp.generate(seconds).to_string();
            // Where two steps happen to have one code, the later one: it leaves less to use.
            if bool::from(right.as_bytes().ct_eq(&code.0)) {
                found = Some(step);
            }
        }
        Ok(found)
    }

    fn totp(&self, builder: Builder) -> Result<Totp> {
        let totp = builder.with_secret(self.0.clone()).build();
        Ok(totp.map_err(anyhow::Error::from)?)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn at(seconds: i64) -> i64 {
        seconds * 1_000_000
    }

    fn step(code: &str, seconds: i64) -> Option<i64> {
        let secret = TotpSecret::from_bytes(b"12345678901234567890");
        secret.step_of(&Code::parse(code).unwrap(), at(seconds)).unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        // Appendix B has 8 digits; the last 6 of them are the code of 6 (RFC 4226 section 5.3).
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(code, seconds), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_holds_one_step_before_and_after_its_own() {
        let (code, own) = ("050471", 1_111_111_111 / 30);
        for (steps, fits) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = step(code, 1_111_111_111 + 30 * steps);
            assert_eq!(found, fits.then_some(own), "{steps} steps away");
        }
    }

    #[test]
    fn only_six_digits_are_a_code() {
        for text in ["287082", " 287 082 "] {
            assert!(Code::parse(text).is_some(), "{text}");
        }
        for text in ["", "28708", "2870822", "28708a", "２８７０８２", "-87082"] {
            assert!(Code::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_app_can_read_what_is_provisioned() {
        let secret = TotpSecret::generate().unwrap();
        let given = secret.provisioning("Gatewright gate.example", "alice@example.com").unwrap();
        let uri = given.uri.expose_secret();
        let read = Totp::from_url(uri).unwrap();
        assert_eq!(read.secret().to_base32(), given.secret.expose_secret());
        assert_eq!((read.digits(), read.step()), (6, 30));
        assert_eq!(read.issuer(), Some("Gatewright gate.example"));
        assert_eq!(read.account_name(), "alice@example.com");
        let code = Code::parse(&read.generate(90).to_string()).unwrap();
        assert_eq!(secret.step_of(&code, at(90)).unwrap(), Some(3));
        assert!(given.qr_svg.expose_secret().contains("<svg "));
        let shown = format!("{secret:?} {given:?}");
        assert!(!shown.contains(given.secret.expose_secret()), "{shown}");
    }
}
