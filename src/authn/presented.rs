//! Whoever shows a credential for one tool in the place of an access token.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::ongoing::Proven;
use super::{Authn, Caller, Proof, Request, Root, Session, Via};
use crate::audit::entry::Origin;
use crate::credentials::{Credentials, Presented};
use crate::registry::Catalogue;
use crate::{Error, Result, Unproven};

impl Authn {
    /// Who shows a credential, with what it shows; none where the request's token is of another
    /// kind.
    ///
    /// The caller is as proven as the session that asked for the credential was, but for second
    /// factors, which are proven by people, not by what they leave behind. It holds what the pinned
    /// tool requires: the credential was given to somebody who did.
    ///
    /// # Errors
    /// The credential does not hold, or its key was not proven (RFC 9449).
    pub async fn presented(
        &self,
        credentials: &Credentials,
        catalogue: &Catalogue,
        request: Request<'_>,
        origin: Arc<Origin>,
    ) -> Result<Option<(Caller, Presented)>> {
        let (scheme, token) = request.token()?;
        // Tokens of ours that are JWTs have dots, which a credential never has.
        if token.expose_secret().contains('.') {
            return Ok(None);
        }
        let Some(presented) = credentials.present(token.expose_secret()).await? else {
            return Ok(None);
        };
        let caller = self.bearer_of_credential(&presented, catalogue, origin).await?;
        let key = presented.holder().map(str::to_owned);
        let caller = caller.proving(|it| it.key = key);
        self.expect_holder(&caller, scheme, &token, request)?;
        Ok(Some((caller, presented)))
    }

    async fn bearer_of_credential(
        &self,
        presented: &Presented,
        catalogue: &Catalogue,
        origin: Arc<Origin>,
    ) -> Result<Caller> {
        let credential = &presented.credential;
        let tool = catalogue.tool(credential.tool_id);
        let scopes: BTreeSet<String> =
            tool.map(|it| it.definition.required_scopes.clone()).unwrap_or_default();
        let asked_in = match credential.root {
            Some(Root::Session(it)) => {
                self.in_session(it, Proven::default(), origin.clone()).await?
            }
            Some(Root::ApiKey(_)) | None => None,
        };
        let caller = match asked_in {
            Some(it) => it,
            None => self.without_session(presented, origin)?,
        };
        let via = Via::Credential { id: credential.id, root: credential.root };
        Ok(caller.proving(|it| it.via = via).holding(scopes))
    }

    /// A credential that an API key asked for, or whose session is over but was not revoked.
    fn without_session(&self, presented: &Presented, origin: Arc<Origin>) -> Result<Caller> {
        let credential = &presented.credential;
        let known = self.directory.snapshot();
        let principal = known.principal(credential.principal_kind, credential.principal_id);
        let principal = principal.ok_or(Error::Unauthenticated(Unproven::BadToken))?;
        let session = Session {
            id: None,
            scopes: Arc::default(),
            authenticated_at: credential.created_at,
            reauthenticated_at: None,
            proof: Arc::new(Proof::default()),
        };
        Ok(Caller::new(principal, session, origin))
    }
}
