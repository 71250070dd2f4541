//! A web server with JSON documents behind TLS, such as clients publish about themselves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Runs as long as the test.
pub struct Documents {
    /// `https://localhost:PORT`
    pub origin: String,
    /// The certificate of who vouches for it, PEM.
    pub authority: String,
    shelf: Arc<Shelf>,
}

#[derive(Default)]
struct Shelf {
    documents: Mutex<HashMap<String, String>>,
    asked: AtomicUsize,
}

impl Documents {
    pub async fn start() -> Documents {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(Shelf::default());
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), shelf.clone()));
        let origin = format!("https://localhost:{port}");
        Documents { origin, authority: authority.pem(), shelf }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn put(&self, path: &str, document: &Value) {
        let mut documents = self.shelf.documents.lock().unwrap();
        documents.insert(path.to_owned(), document.to_string());
    }

    /// How often a document was asked for.
    pub fn asked(&self) -> usize {
        self.shelf.asked.load(Ordering::Acquire)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shelf: Arc<Shelf>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shelf) = (acceptor.clone(), shelf.clone());
        tokio::spawn(async move { answer(stream, &acceptor, &shelf).await });
    }
}

async fn answer(stream: TcpStream, acceptor: &TlsAcceptor, shelf: &Shelf) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?;
    shelf.asked.fetch_add(1, Ordering::AcqRel);
    let document = shelf.documents.lock().unwrap().get(path).cloned();
    let (status, body) = document.map_or(("404 Not Found", String::new()), |it| ("200 OK", it));
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
