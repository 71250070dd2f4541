//! What is the same from one decision to the next: built once, shared by reference.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, EntityTypeName, EntityUid, PolicySet, Schema};
use moka::sync::Cache;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::case::written;
use super::facts::{ClockFacts, Facts, Particulars, Risk, Shape, Typed};
use crate::Result;
use crate::authn::Caller;
use crate::authn::risk::Reason;
use crate::directory::Principal;
use crate::policy::typed::Unfit;
use crate::policy::{Bundle, Link, Narrow, Ungrantable};

const CALLERS_MAX: u64 = 10_000;

/// The clock's facts of one second, for the zones of one bundle.
#[derive(Clone)]
pub struct Second {
    /// Seconds since the epoch.
    pub at: i64,
    pub of: Arc<Bundle>,
    pub facts: Arc<ClockFacts>,
}

/// Facts in the forms that a decision and its record need.
pub struct Told {
    pub facts: Facts,
    pub context: Context,
    /// What the context names.
    pub entities: Vec<Entity>,
    /// What the audit keeps.
    pub json: Box<RawValue>,
    /// The action of the tool that is called, where it has one of its own.
    pub typed: Option<EntityUid>,
    /// Why nobody can say what the policies would make of a call; it is denied.
    pub unfit: Option<Unfit>,
}

impl Told {
    /// What `bundle` is told.
    ///
    /// # Errors
    /// What Cedar cannot hold.
    pub fn new(facts: Facts, bundle: &Bundle) -> Result<Told> {
        let (typed, input, unfit) = match facts.typed(None, bundle) {
            Ok(Some(Typed { action, input })) => (Some(action), Some(input), None),
            Ok(None) => (None, None, None),
            Err(unfit) => (None, None, Some(unfit)),
        };
        let (context, entities) = (facts.context_with(input)?, facts.entities()?);
        let json = to_raw_value(&facts).map_err(anyhow::Error::from)?;
        Ok(Told { facts, context, entities, json, typed, unfit })
    }

    /// The schema to hold the request against. Contexts are built to its shapes and slices are cut
    /// to its requests, so only a word that the caller chose from a closed vocabulary needs it.
    pub fn schema<'a>(&self, bundle: &'a Bundle) -> Option<&'a Schema> {
        matches!(self.facts.particulars, Particulars::Role { .. }).then(|| bundle.schema())
    }
}

/// Which facts are alike for a second: the same token from the same address, asking nothing of its own.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Alike {
    principal: Uuid,
    /// The scopes by address: [`Kept`] holds them, so that no others can take their place.
    scopes: usize,
    authenticated_at: i64,
    reauthenticated_at: Option<i64>,
    mfa_at: Option<i64>,
    by_client: bool,
    risk: Risk,
    risk_reasons: Vec<Reason>,
    assurance_level: u8,
    ip: IpAddr,
    shape: Shape,
}

struct Kept {
    second: Second,
    told: Arc<Told>,
    _scopes: Arc<std::collections::BTreeSet<String>>,
}

/// Principal and action with their ancestors: what every resource is asked about with.
pub struct Graph {
    bundle: Arc<Bundle>,
    pub entities: Entities,
    /// The principal as the audit keeps it.
    pub written: Option<Arc<RawValue>>,
    /// The principal, and what it is a member of.
    pub members: Vec<EntityUid>,
    /// The policies that can matter, by the type of the resource, where it asks in its own name.
    narrow: Vec<(EntityTypeName, Arc<Narrow>)>,
}

impl Graph {
    /// The policies that can matter about a resource of this type; none where the schema knows no
    /// such request, and then nothing allows it.
    pub fn narrow(&self, resource_type: &EntityTypeName) -> Option<&Narrow> {
        self.narrow.iter().find(|(of, _)| of == resource_type).map(|(_, it)| &**it)
    }
}

/// Who asks, as of which revision and how well proven, and for what.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asks {
    principal: Uuid,
    revision: i64,
    attested: bool,
    action: EntityUid,
}

/// Which slice grants are linked into.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Slice {
    principal: EntityUid,
    action: EntityUid,
    resource_type: EntityTypeName,
}

/// A slice of one bundle with these grants.
#[derive(Clone)]
struct Granted {
    bundle: Arc<Bundle>,
    links: Vec<Arc<Link>>,
    policies: Arc<PolicySet>,
}

pub struct Remembered {
    told: Cache<Alike, Arc<Kept>>,
    graphs: Cache<Asks, Arc<Graph>>,
    granted: Cache<Slice, Granted>,
}

impl Default for Remembered {
    fn default() -> Self {
        Remembered {
            told: Cache::new(CALLERS_MAX),
            graphs: Cache::new(CALLERS_MAX),
            granted: Cache::new(CALLERS_MAX),
        }
    }
}

impl Remembered {
    /// The facts of this caller in this second; made by `make` when they are not known.
    pub fn told(
        &self,
        caller: &Caller,
        second: &Second,
        particulars: &Particulars,
        make: impl FnOnce() -> Result<Told>,
    ) -> Result<Arc<Told>> {
        if !is_plain(particulars) {
            return make().map(Arc::new);
        }
        let session = caller.session();
        let alike = Alike {
            principal: caller.principal().id(),
            scopes: Arc::as_ptr(&session.scopes).addr(),
            authenticated_at: session.authenticated_at,
            reauthenticated_at: session.reauthenticated_at,
            mfa_at: session.proof.mfa_at,
            by_client: session.proof.client.is_some(),
            risk: session.proof.risk,
            risk_reasons: session.proof.risk_reasons.clone(),
            assurance_level: session.assurance_level(),
            ip: caller.origin().ip,
            shape: particulars.shape(),
        };
        if let Some(kept) = self.told.get(&alike)
            && kept.second.at == second.at
            && Arc::ptr_eq(&kept.second.of, &second.of)
        {
            return Ok(kept.told.clone());
        }
        let told = Arc::new(make()?);
        let (second, _scopes) = (second.clone(), session.scopes.clone());
        self.told.insert(alike, Arc::new(Kept { second, told: told.clone(), _scopes }));
        Ok(told)
    }

    /// `principal` and `action` with their ancestors; `attested` as the principal has proven it.
    pub fn graph(
        &self,
        principal: &Principal,
        attested: bool,
        action: &EntityUid,
        bundle: &Arc<Bundle>,
    ) -> Result<Arc<Graph>> {
        let revision = principal.revision();
        let key = Asks { principal: principal.id(), revision, attested, action: action.clone() };
        if let Some(graph) = self.graphs.get(&key)
            && Arc::ptr_eq(&graph.bundle, bundle)
        {
            return Ok(graph);
        }
        let mut entities = bundle.action_entities(action).to_vec();
        let own = principal.entity_where(attested).clone();
        let (written, uid) = (written(&own), own.uid());
        entities.push(own);
        let entities = Entities::from_entities(entities, None).map_err(anyhow::Error::from)?;
        let above: Vec<_> = entities.ancestors(&uid).into_iter().flatten().cloned().collect();
        let narrow = bundle.narrow(&uid, &above, action);
        let members = std::iter::once(uid).chain(above).collect();
        let graph = Graph { bundle: bundle.clone(), entities, written, members, narrow };
        let graph = Arc::new(graph);
        self.graphs.insert(key, graph.clone());
        Ok(graph)
    }

    /// A slice with the grants of one principal; made by `make` when it is not known.
    pub fn granted(
        &self,
        principal: &EntityUid,
        action: &EntityUid,
        resource_type: &EntityTypeName,
        (bundle, links): (&Arc<Bundle>, &[Arc<Link>]),
        make: impl FnOnce() -> Result<PolicySet, Ungrantable>,
    ) -> Result<Arc<PolicySet>, Ungrantable> {
        let (principal, action) = (principal.clone(), action.clone());
        let key = Slice { principal, action, resource_type: resource_type.clone() };
        if let Some(known) = self.granted.get(&key)
            && Arc::ptr_eq(&known.bundle, bundle)
            && known.links == *links
        {
            return Ok(known.policies);
        }
        let policies = Arc::new(make()?);
        let (bundle, links) = (bundle.clone(), links.to_vec());
        self.granted.insert(key, Granted { bundle, links, policies: policies.clone() });
        Ok(policies)
    }
}

/// Whether these particulars say nothing of this one request.
fn is_plain(particulars: &Particulars) -> bool {
    matches!(
        particulars,
        Particulars::Base
            | Particulars::Token
            | Particulars::Admin { approval: None }
            | Particulars::Find
    )
}
