//! TLS: versions, protocols, client certificates, reloading.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{SOON, Stage, ask, gone};
use crate::net::Limits;
use crate::net::tls::{Acceptor, Clients, Error, Files};

type Authority = CertifiedIssuer<'static, KeyPair>;
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A directory with a new certificate for `localhost` and its key.
struct Shelf {
    authority: Authority,
    dir: TempDir,
}

impl Shelf {
    fn new() -> Shelf {
        let shelf = Shelf { authority: authority(), dir: TempDir::new().unwrap() };
        shelf.renew();
        fs::write(shelf.dir.path().join("authority"), shelf.authority.pem()).unwrap();
        shelf
    }

    /// Replaces certificate and key, and tells the new certificate.
    fn renew(&self) -> CertificateDer<'static> {
        let (certificate, key) = issue(&self.authority);
        self.put("key", &key.serialize_pem());
        self.put("certificate", &certificate.pem());
        certificate.der().clone()
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.dir.path().join(name), content).unwrap();
    }

    fn files(&self, clients: impl FnOnce(&Path) -> Clients) -> Files {
        let at = |name| self.dir.path().join(name);
        let clients = clients(&at("authority"));
        Files { certificate: at("certificate"), key: at("key"), clients }
    }

    fn open(&self) -> Arc<Acceptor> {
        Arc::new(Acceptor::open(self.files(|_| Clients::Unasked)).unwrap())
    }
}

fn issue(authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

fn identity(authority: &Authority) -> Identity {
    let (certificate, key) = issue(authority);
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    shown: Option<Identity>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_webpki_verifier(verifier.build().unwrap());
    match shown {
        None => config.with_no_client_auth(),
        Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
    }
}

async fn connect(stage: &Stage, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stage.connect().await).await
}

/// The certificate a new connection is shown.
async fn shown(stage: &Stage, shelf: &Shelf) -> CertificateDer<'static> {
    let config = client(&shelf.authority, &[&version::TLS13], None);
    let io = connect(stage, config).await.unwrap();
    io.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn only_tls_1_3_is_spoken() {
    let shelf = Shelf::new();
    let stage = Stage::set_behind(Some(shelf.open()), Limits::default()).await;
    assert!(connect(&stage, client(&shelf.authority, &[&version::TLS12], None)).await.is_err());
    let config = client(&shelf.authority, &[&version::TLS13], None);
    let mut io = connect(&stage, config).await.unwrap();
    let (_, content) = ask(&mut io, "GET /peer", "").await.unwrap();
    assert!(String::from_utf8(content).unwrap().ends_with("tls: true }"));
}

#[tokio::test]
async fn both_protocols_are_offered() {
    let shelf = Shelf::new();
    let stage = Stage::set_behind(Some(shelf.open()), Limits::default()).await;
    let table: [(&[u8], _); 2] =
        [(b"http/1.1", http::Version::HTTP_11), (b"h2", http::Version::HTTP_2)];
    for (protocol, version) in table {
        let mut config = client(&shelf.authority, &[&version::TLS13], None);
        config.alpn_protocols = vec![protocol.to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .resolve("localhost", stage.addr);
        let url = format!("https://localhost:{}/echo", stage.addr.port());
        let answer = client.build().unwrap().post(url).body("both ways").send().await.unwrap();
        assert_eq!(answer.version(), version);
        assert_eq!(answer.text().await.unwrap(), "both ways");
    }
}

#[tokio::test]
async fn a_silent_handshake_ends() {
    let limits = Limits { handshake: Duration::from_millis(200), ..Limits::default() };
    let stage = Stage::set_behind(Some(Shelf::new().open()), limits).await;
    gone(&mut stage.connect().await).await;
}

#[tokio::test]
async fn a_reload_shows_the_new_certificate_and_a_broken_file_keeps_the_old() {
    let shelf = Shelf::new();
    let acceptor = shelf.open();
    let stage = Stage::set_behind(Some(Arc::clone(&acceptor)), Limits::default()).await;
    let first = shown(&stage, &shelf).await;

    let second = shelf.renew();
    assert_eq!(shown(&stage, &shelf).await, first);
    acceptor.reload().unwrap();
    assert_eq!(shown(&stage, &shelf).await, second);

    shelf.put("certificate", "no certificate");
    assert!(matches!(acceptor.reload(), Err(Error::Empty { .. })));
    shelf.put("certificate", &issue(&shelf.authority).0.pem());
    assert!(matches!(acceptor.reload(), Err(Error::Unusable(_))), "not the key's certificate");
    fs::remove_file(shelf.dir.path().join("key")).unwrap();
    assert!(matches!(acceptor.reload(), Err(Error::Read { .. })));
    assert_eq!(shown(&stage, &shelf).await, second);
}

#[tokio::test]
async fn changed_files_are_noticed_even_after_broken_ones() {
    let shelf = Shelf::new();
    let acceptor = shelf.open();
    let stage = Stage::set_behind(Some(Arc::clone(&acceptor)), Limits::default()).await;
    let stop = CancellationToken::new();
    let watch = tokio::spawn(acceptor.watch(Duration::from_millis(10), stop.clone()));
    let old = shown(&stage, &shelf).await;
    shelf.put("certificate", "no certificate");
    assert_eq!(shown(&stage, &shelf).await, old);
    let new = shelf.renew();
    let noticed = async { while shown(&stage, &shelf).await != new {} };
    timeout(SOON, noticed).await.expect("the new certificate should be shown");
    stop.cancel();
    timeout(SOON, watch).await.unwrap().unwrap();
}

#[tokio::test]
async fn client_certificates_are_checked_as_configured() {
    let (shelf, stranger) = (Shelf::new(), authority());
    let optional = |it: &Path| Clients::Optional(it.to_owned());
    let required = |it: &Path| Clients::Required(it.to_owned());
    let table = [
        (shelf.files(optional), None, true),
        (shelf.files(optional), Some(&shelf.authority), true),
        (shelf.files(optional), Some(&stranger), false),
        (shelf.files(required), None, false),
        (shelf.files(required), Some(&shelf.authority), true),
        (shelf.files(required), Some(&stranger), false),
    ];
    for (files, signer, admitted) in table {
        let clients = files.clients.clone();
        let acceptor = Arc::new(Acceptor::open(files).unwrap());
        let stage = Stage::set_behind(Some(acceptor), Limits::default()).await;
        let config = client(&shelf.authority, &[&version::TLS13], signer.map(identity));
        // In TLS 1.3 the client is done before the server has judged it.
        let answer = match connect(&stage, config).await {
            Ok(mut io) => ask(&mut io, "GET /hello", "").await,
            Err(error) => Err(error),
        };
        assert_eq!(answer.is_ok(), admitted, "{clients:?} {}", signer.is_some());
    }
}
