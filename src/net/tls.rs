//! TLS 1.3 for callers, with certificates that can change while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::stamp::Stamp;

/// How often the files are looked at. A look is three `stat` calls.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where the PEM files are.
#[derive(Clone, Debug)]
pub struct Files {
    /// Our certificate first, then the chain up to the root, which may be left out.
    pub certificate: PathBuf,
    /// The private key of the certificate: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// Whether callers show certificates.
    pub clients: Clients,
}

/// Whether callers show certificates, and whose. The path names the PEM file of the authorities
/// that sign them.
#[derive(Clone, Debug)]
pub enum Clients {
    /// Nobody is asked for one.
    Unasked,
    /// A caller may show one, which must then be good.
    Optional(PathBuf),
    /// A caller without a good one is refused in the handshake.
    Required(PathBuf),
}

/// Why the files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot understand `{}`", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("`{}` holds no certificate", path.display())]
    Empty { path: PathBuf },
    #[error("cannot use the authorities in `{}`", path.display())]
    Authorities { path: PathBuf, source: VerifierBuilderError },
    #[error("cannot serve with these certificates")]
    Unusable(#[from] rustls::Error),
}

/// Makes TLS connections of TCP connections.
pub struct Acceptor {
    files: Files,
    config: ArcSwap<ServerConfig>,
    seen: Mutex<Stamps>,
}

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read or understood, or the key is not the certificate's.
    pub fn open(files: Files) -> Result<Acceptor, Error> {
        // Stamped before it is read, so that a change in between counts as one.
        let seen = Mutex::new(files.stamps());
        let config = ArcSwap::from_pointee(files.config()?);
        Ok(Acceptor { files, config, seen })
    }

    /// Reads the files again; connections made from now on use them, and those that are open stay
    /// as they are.
    ///
    /// # Errors
    /// As [`Acceptor::open`]; what was in use stays in use.
    pub fn reload(&self) -> Result<(), Error> {
        self.config.store(Arc::new(self.files.config()?));
        Ok(())
    }

    /// Reloads whenever the files have changed, until `stop`. A change that cannot be used is
    /// logged and otherwise ignored, as half of a change often is: the next look sees the rest.
    pub async fn watch(self: Arc<Self>, look_every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(look_every)).await.is_some() {
            let acceptor = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || acceptor.look());
            if look.await.is_err() {
                tracing::error!("look at the certificate files panicked");
            }
        }
    }

    /// The TLS handshake; takes as long as the caller likes, so give it a deadline.
    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full()).accept(tcp).await
    }

    fn look(&self) {
        let stamps = self.files.stamps();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == stamps {
            return;
        }
        *seen = stamps;
        let certificate = self.files.certificate.display();
        match self.reload() {
            Ok(()) => tracing::info!(%certificate, "certificate reloaded"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%certificate, error, "certificate not reloaded, the old one stays");
            }
        }
    }
}

/// One for each file; none for a missing one.
type Stamps = Vec<Option<Stamp>>;

impl Files {
    fn stamps(&self) -> Stamps {
        let authorities = match &self.clients {
            Clients::Unasked => None,
            Clients::Optional(it) | Clients::Required(it) => Some(it),
        };
        [&self.certificate, &self.key]
            .into_iter()
            .chain(authorities)
            .map(|it| Stamp::of(it))
            .collect()
    }

    fn config(&self) -> Result<ServerConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(self.clients.verifier(provider)?)
            .with_single_cert(certificates(&self.certificate)?, key(&self.key)?)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Clients {
    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let (path, demand) = match self {
            Clients::Unasked => return Ok(WebPkiClientVerifier::no_client_auth()),
            Clients::Optional(path) => (path, Demand::May),
            Clients::Required(path) => (path, Demand::Must),
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(path)? {
            roots.add(authority)?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match demand {
            Demand::May => builder.allow_unauthenticated(),
            Demand::Must => builder,
        };
        builder.build().map_err(|source| Error::Authorities { path: path.clone(), source })
    }
}

enum Demand {
    May,
    Must,
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|source| Error::Pem { path: path.to_owned(), source })?;
    if found.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|source| Error::Pem { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let content = std::fs::read(path);
    content.map(Zeroizing::new).map_err(|source| Error::Read { path: path.to_owned(), source })
}
