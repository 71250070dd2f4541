//! What credentials cost beside the signatures that they are made of.

use std::hint::black_box;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use gatewright::clock::Clock;
use gatewright::credentials::attenuate::{Narrowing, attenuate};
use gatewright::credentials::keys::KeyRing;
use gatewright::credentials::mint::{Draft, mint};
use gatewright::credentials::verify::{Request, Revocations, Verifier};
use rand::TryRngCore as _;
use secrecy::ExposeSecret as _;

use crate::alternate::{Side, alternate};
use crate::figures::Figures;
use crate::report;
use crate::verdicts::Verdicts;

const ISSUER: &str = "http://127.0.0.1:8080";
const DIGEST: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
/// About as long as what a block's signature covers.
const SIGNED_BYTES: usize = 500;
const THREADS: usize = 32;
const VERIFIES_OF_EACH: usize = 2_000;

pub fn measure(verdicts: &mut Verdicts) {
    report::heading("Credentials, CPU µs");
    report::columns(&["", "least", "median"]);
    let now = Clock::system().now();
    let ring = KeyRing::generate(now);
    let draft = draft();
    let token = mint(&draft, ring.active()).unwrap().token.expose_secret().to_owned();
    let narrowing = Narrowing { scopes: Some(["read".to_owned()].into()), ..Narrowing::default() };
    let narrowed = attenuate(&token, &narrowing).unwrap().expose_secret().to_owned();
    let verifier =
        Verifier::new(&ring.document(ISSUER, now), ISSUER).unwrap().tool("translate", Some(DIGEST));
    let request = Request::new("read");
    let full = |token: &str| {
        verifier.verify(token, &request, Revocations::Unchecked, now).unwrap();
    };
    let opened = verifier.open(&narrowed, now).unwrap();
    let remembered = || {
        verifier.admit(&opened, &request, Revocations::Unchecked, now).unwrap();
    };
    let (verifying, signature) = signed();
    let message = [7; SIGNED_BYTES];
    let checks = |count: usize| {
        for _ in 0..count {
            verifying.verify_strict(black_box(&message), &signature).unwrap();
        }
    };
    let measured = alternate(vec![
        Side::new("mint", || drop(mint(&draft, ring.active()).unwrap())),
        Side::new("keygen and sign", keygen_and_sign),
        Side::new("attenuate", || drop(attenuate(&token, &narrowing).unwrap())),
        Side::new("1 signature check", || checks(1)),
        Side::new("2 signature checks", || checks(2)),
        Side::new("verify, as issued (1 signature)", || full(&token)),
        Side::new("verify, narrowed by 1 block (2 signatures)", || full(&narrowed)),
        Side::new("verify, narrowed, remembered", remembered),
    ]);
    verdicts.add("mint / keygen and sign", measured.ratio(0, 1), None);
    verdicts.add("attenuate / keygen and sign", measured.ratio(2, 1), Some(0.0..=1.3));
    verdicts.add("verify as issued / its signature check", measured.ratio(5, 3), None);
    let what = "verify narrowed by 1 block / its 2 signature checks";
    verdicts.add(what, measured.ratio(6, 4), Some(0.0..=1.15));
    verdicts.add("remembered / full verify", measured.ratio(7, 6), Some(0.0..=0.12));
    let wrongly =
        crowded(|| verifier.verify(&narrowed, &request, Revocations::Unchecked, now).is_err());
    let what = "good credentials refused in a crowd of threads";
    verdicts.add(what, Figures::of([wrongly as f64]), Some(0.0..=0.0));
}

/// How often `refused` is true when many more threads verify than there are cores: who waits for
/// its turn must not be taken for a token that takes too long.
fn crowded(refused: impl Fn() -> bool + Sync) -> usize {
    let refused = &refused;
    std::thread::scope(|scope| {
        let verify = || (0..VERIFIES_OF_EACH).filter(|_| refused()).count();
        let crowd: Vec<_> = (0..THREADS).map(|_| scope.spawn(verify)).collect();
        crowd.into_iter().map(|it| it.join().unwrap()).sum()
    })
}

/// What an appended block cannot do without: a new key, and a signature by the old one, which
/// comes as a seed.
fn keygen_and_sign() {
    let mut seed = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut seed).unwrap();
    black_box(SigningKey::from_bytes(&seed));
    let old = SigningKey::from_bytes(black_box(&[3; 32]));
    black_box(old.sign(black_box(&[7; SIGNED_BYTES])));
}

fn signed() -> (VerifyingKey, Signature) {
    let key = SigningKey::from_bytes(&[3; 32]);
    (key.verifying_key(), key.sign(&[7; SIGNED_BYTES]))
}

fn draft() -> Draft {
    Draft {
        issuer: ISSUER.into(),
        credential_id: "0192f3c8-7c1e-7000-8000-000000000001".into(),
        decision_id: "0192f3c8-7c1e-7000-8000-000000000002".into(),
        agent_id: "0192f3c8-7c1e-7000-8000-000000000003".into(),
        agent_name: "lingua".into(),
        on_behalf_of: None,
        tool: "translate".into(),
        tool_digest: DIGEST.into(),
        scopes: ["read", "translate"].map(str::to_owned).into(),
        expires_at: Clock::system().now() + jiff::SignedDuration::from_hours(1),
        holder: None,
        online_only: false,
        checks: Vec::new(),
    }
}
