//! A web site behind TLS whose pages a test writes, and which counts its visitors.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[derive(Clone)]
pub struct Site {
    pub address: SocketAddr,
    /// What a client has to trust, PEM.
    pub certificate: String,
    pages: Arc<Mutex<BTreeMap<String, String>>>,
    connections: Arc<AtomicUsize>,
}

impl Site {
    /// Listens on every address of this machine.
    pub async fn open() -> Site {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let site = Site {
            address: SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port())),
            certificate: cert.pem(),
            pages: Arc::default(),
            connections: Arc::default(),
        };
        let (acceptor, serving) = (TlsAcceptor::from(Arc::new(config)), site.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serving.clone().answer(acceptor.clone(), stream));
            }
        });
        site
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Lays a whole answer, head and body, at a path.
    pub fn lay(&self, path: &str, answer: String) {
        self.pages.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// How many connections were made since the last time.
    pub fn visits(&self) -> usize {
        self.connections.swap(0, Ordering::SeqCst)
    }

    /// A path where nothing lies takes the request and stays silent.
    async fn answer(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        let mut request = Vec::new();
        while !request.windows(4).any(|it| it == b"\r\n\r\n") {
            let mut part = [0; 4096];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(count) => request.extend_from_slice(&part[..count]),
            }
        }
        let text = String::from_utf8(request).unwrap();
        let path = text.split(' ').nth(1).unwrap();
        let page = self.pages.lock().unwrap().get(path).cloned();
        match page {
            Some(page) => drop(stream.write_all(page.as_bytes()).await),
            None => drop(stream.read(&mut [0]).await),
        }
        let _ = stream.shutdown().await;
    }
}
