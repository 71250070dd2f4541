//! What decisions may read: the snapshots, and the store for what is too much to hold in memory.

use std::sync::Arc;

use crate::approvals::Approvals;
use crate::authn::api_keys::ApiKeys;
use crate::authn::factors::Factors;
use crate::credentials::Credentials;
use crate::decisions::Decisions;
use crate::directory::Directory;
use crate::gateway::Calls;
use crate::grants::Grants;
use crate::policy::bundles::Bundles;
use crate::registry::Registry;

/// The only unguarded reading there is: to find what an action is about, before it is decided.
#[derive(Clone)]
pub struct World {
    pub directory: Arc<Directory>,
    pub registry: Arc<Registry>,
    pub credentials: Arc<Credentials>,
    pub api_keys: Arc<ApiKeys>,
    pub approvals: Arc<Approvals>,
    pub bundles: Arc<Bundles>,
    pub grants: Arc<Grants>,
    pub decisions: Arc<Decisions>,
    pub factors: Arc<Factors>,
    pub calls: Arc<Calls>,
}
