//! The running server behind TLS: what it speaks, certificates that change, its own health check.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::wire::request;
use crate::harness::{Gate, Setup, Wire};

/// The server looks at its files every five seconds.
const RELOAD_TIME_MAX: Duration = Duration::from_secs(30);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Writes a new certificate and its key, replacing each file whole.
    fn issue_to(&self, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let chain = certificate.pem() + &self.0.pem();
        for (name, text) in [("tls.key", key.serialize_pem()), ("tls.crt", chain)] {
            let (new, path) = (folder.join("new"), folder.join(name));
            fs::write(&new, text).unwrap();
            fs::rename(&new, path).unwrap();
        }
    }

    async fn connect(
        &self,
        gate: &Gate,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(gate.url.strip_prefix("https://").unwrap()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self, gate: &Gate) -> CertificateDer<'static> {
        let stream = self.connect(gate, &[&version::TLS13]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }
}

fn secured(authority: &Authority) -> Gate {
    let setup = Setup::new();
    authority.issue_to(setup.folder.path());
    let file = |name: &str| setup.folder.path().join(name).display().to_string();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    setup.with("tls.cert_file", &certificate).with("tls.key_file", &key).start()
}

#[tokio::test]
async fn tls_1_3_alone_is_spoken_and_a_new_certificate_is_taken_up() {
    let authority = Authority::new();
    let gate = secured(&authority);
    assert!(gate.url.starts_with("https://"), "{}", gate.url);
    assert!(authority.connect(&gate, &[&version::TLS12]).await.is_err());
    let mut wire = Wire::over(authority.connect(&gate, &[&version::TLS13]).await.unwrap());
    let keys = request("GET /.well-known/biscuit-keys.json", "", b"");
    let said = wire.ask(&keys).await;
    assert_eq!(said.status, 200);
    assert!(said.text().contains(&gate.url), "the issuer is the https address: {}", said.text());

    // In the clear, on the same port: no answer in HTTP.
    let plain = gate.url.replace("https://", "http://");
    let mut clear = Wire::open(&plain).await;
    clear.send(&keys).await.unwrap();
    clear.ended().await;

    let first = authority.shown(&gate).await;
    authority.issue_to(gate.folder.path());
    let taken_up = async { while authority.shown(&gate).await == first {} };
    timeout(RELOAD_TIME_MAX, taken_up).await.expect("the new certificate should be shown");
    assert_eq!(wire.ask(&keys).await.status, 200, "open connections go on");

    fs::write(gate.folder.path().join("tls.crt"), "no certificate").unwrap();
    let health =
        gate.command(&["health"]).env("GATEWRIGHT_LISTEN", listen(&gate)).output().unwrap();
    assert_ne!(health.status.code(), Some(0), "nothing to trust the server by");
    authority.shown(&gate).await;
}

fn listen(gate: &Gate) -> &str {
    gate.url.split_once("://").unwrap().1
}

#[test]
fn the_health_check_knows_its_own_server() {
    for gate in [Gate::start(), secured(&Authority::new())] {
        let health =
            gate.command(&["health"]).env("GATEWRIGHT_LISTEN", listen(&gate)).output().unwrap();
        let said = String::from_utf8_lossy(&health.stderr).into_owned();
        assert_eq!(health.status.code(), Some(0), "{}: {said}", gate.url);
        assert_eq!(String::from_utf8_lossy(&health.stdout), "ready\n");
    }
}

#[test]
fn the_health_check_trusts_no_stranger_on_its_port() {
    let gate = secured(&Authority::new());
    let other = tempfile::tempdir().unwrap();
    Authority::new().issue_to(other.path());
    let health = gate
        .command(&["health"])
        .env("GATEWRIGHT_LISTEN", listen(&gate))
        .env("GATEWRIGHT_TLS__CERT_FILE", other.path().join("tls.crt"))
        .output()
        .unwrap();
    assert_eq!(health.status.code(), Some(5));
}
