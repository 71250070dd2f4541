//! A user's own account with a tool: what calls in the user's name prove themselves by, where the
//! tool wants more than the secrets of its publisher.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use uuid::Uuid;

use super::Gateway;
use super::action::Called;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::credentials::ToolRef;
use crate::registry::{Connection, HEADER};
use crate::secrets::{Change, SecretPath};
use crate::{Error, Result};

/// Storing what a user is known by to a tool, in the place of what was stored before.
#[derive(Debug)]
pub struct ConnectAccount {
    pub tool: Uuid,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<SecretString>,
    pub headers: BTreeMap<String, SecretString>,
}

/// Forgetting it.
#[derive(Debug)]
pub struct DisconnectAccount(pub Uuid);

impl Action for ConnectAccount {
    const NAME: &'static str = "connect_account";
    const EVENT: &'static str = "tool.account.connect";
    type Resource = Called;

    async fn find(&self, world: &World) -> Result<Option<Called>> {
        Ok(Called::find(&ToolRef::Id(self.tool), world))
    }

    fn check(&self, called: &Called, _: &World) -> Result<()> {
        match &called.reached().definition.connection {
            Connection::Remote(it) if it.requires_per_user_auth => Ok(()),
            _ => Err(Error::Conflict("this tool wants no account of its users".into())),
        }
    }

    fn particulars(&self, _: &Called) -> Particulars {
        Particulars::Token
    }
}

impl Action for DisconnectAccount {
    const NAME: &'static str = "connect_account";
    const EVENT: &'static str = "tool.account.disconnect";
    type Resource = Called;

    async fn find(&self, world: &World) -> Result<Option<Called>> {
        Ok(Called::find(&ToolRef::Id(self.0), world))
    }

    fn particulars(&self, _: &Called) -> Particulars {
        Particulars::Token
    }
}

impl Gateway {
    /// Stores the account of whoever the permit is for.
    pub async fn connect_account(&self, permit: Permit<ConnectAccount>) -> Result<()> {
        let (caller, action, called, warrant) = permit.spend();
        let path = SecretPath::of_user(caller.principal().id(), called.reached().id);
        let known = self.secrets.names(&warrant, path).await?;
        let headers = action.headers.into_iter().map(|(name, it)| (format!("{HEADER}{name}"), it));
        let token = action.token.map(|it| ("token".to_owned(), it));
        let given: BTreeMap<_, _> =
            headers.chain(token).map(|(name, it)| (name, Some(it))).collect();
        // What is not given again is gone.
        let gone = known.iter().filter(|it| !given.contains_key(it.as_str()));
        let gone: BTreeMap<_, _> = gone.map(|it| (it.to_string(), None)).collect();
        let change = Change::merge("/headers", given, &BTreeSet::new())?;
        let change = change.and(Change::merge("/headers", gone, &known)?);
        let staged = self.secrets.stage(&warrant, path, change).await?;
        warrant.note("names", staged.names.iter().map(ToString::to_string).collect::<Vec<_>>());
        self.ledger.commit(&warrant, staged.statements).await
    }

    /// Forgets the account of whoever the permit is for.
    pub async fn disconnect_account(&self, permit: Permit<DisconnectAccount>) -> Result<()> {
        let (caller, _, called, warrant) = permit.spend();
        let path = SecretPath::of_user(caller.principal().id(), called.reached().id);
        let statements = self.secrets.forget(&warrant, path).await?;
        self.ledger.commit(&warrant, statements).await
    }
}
