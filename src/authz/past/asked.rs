//! A request as declarations look at it.

use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use cedar_policy::EntityUid;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use super::count::Query;
use super::rows::{NewRow, Rows};
use crate::authn::{Caller, Root};
use crate::authz::action::Resource;
use crate::authz::facts::{Amount, Particulars};
use crate::authz::uid;
use crate::directory::{Kind, Principal};
use crate::error::FieldFault;
use crate::exact::exact_bytes;
use crate::policy::{Bundle, Count, Counted, Declared, Ending, Fact, Per};
use crate::{Error, Result};

/// Where the arguments stand in the body of a call.
const ARGUMENTS: &str = "/arguments";

/// Who asks, and on whose side: what counts are kept apart by.
#[derive(Clone, Debug)]
pub struct Who {
    pub principal: Uuid,
    /// `session:…`, or what stands for a session where there is none.
    pub session: String,
    /// Of a machine: what stands for all the sessions that it opens for one user, as many as it
    /// likes.
    pub machine: Option<String>,
    /// The user in whose name it is asked; where there is none, who asks.
    pub user: Uuid,
}

impl Who {
    /// `user` is whom the caller acts for, when it does.
    pub fn of(caller: &Caller, user: Option<Uuid>) -> Who {
        let principal = caller.principal();
        Who::under(caller.session().root(), (principal.kind(), principal.id()), user)
    }

    /// Whoever asks, or once asked, with `root`. A credential is used in the session that asked for
    /// it, wherever it is shown.
    pub fn under(root: Option<Root>, (kind, principal): (Kind, Uuid), user: Option<Uuid>) -> Who {
        let user = user.unwrap_or(principal);
        let (session, machine) = match root {
            Some(Root::Session(it)) => {
                (format!("session:{it}"), Who::machine(kind, principal, user))
            }
            Some(Root::ApiKey(it)) => (format!("key:{it}"), None),
            None => (format!("principal:{principal}"), None),
        };
        Who { principal, session, machine, user }
    }

    /// Somebody who has no session now.
    pub fn absent(principal: &Principal) -> Who {
        let id = principal.id();
        let machine = Who::machine(principal.kind(), id, id);
        Who { principal: id, session: format!("principal:{id}"), machine, user: id }
    }

    /// What stands for the sessions of this principal, if it is one that needs nobody to open them.
    pub fn machine(kind: Kind, principal: Uuid, user: Uuid) -> Option<String> {
        match kind {
            Kind::Agent => Some(format!("machine:{principal}/{user}")),
            Kind::User => None,
        }
    }
}

/// When it is asked, and how long the sessions of machines last: microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub now: i64,
    pub token_life: i64,
}

/// What is asked.
pub struct Asked<'a> {
    pub who: Who,
    pub action: &'static str,
    pub resource: &'a dyn Resource,
    /// Of a call.
    pub arguments: Option<&'a Value>,
    /// What the resource is in.
    pub(super) sets: OnceLock<HashSet<EntityUid>>,
}

/// What becomes of a request that lacks an argument to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Refused,
    /// It adds nothing.
    Left,
}

/// What a request adds to a count.
enum Share {
    One,
    Value(Vec<u8>),
    Amount(Amount),
}

impl<'a> Asked<'a> {
    pub fn new(
        who: Who,
        action: &'static str,
        resource: &'a dyn Resource,
        particulars: &'a Particulars,
    ) -> Asked<'a> {
        let arguments = match particulars {
            Particulars::Call { call, .. } => Some(&call.arguments),
            _ => None,
        };
        Asked { who, action, resource, arguments, sets: OnceLock::new() }
    }

    /// What is to be looked up for it.
    pub(super) fn queries(&self, bundle: &Bundle, span: Span) -> Vec<Query> {
        let is_call = self.action == Counted::Invoke.as_str();
        let typed = bundle.typed_call(self.resource.name()).filter(|_| is_call);
        let action = typed.map_or_else(|| uid::action(self.action), |it| it.action.clone());
        let read = bundle.past().read_by(&action, |it| self.is(it));
        read.map(|fact| Query {
            fact: fact.clone(),
            key: fact.key(),
            subject: self.subject(fact),
            since: self
                .within(fact, span)
                .map_or(i64::MIN, |within| span.now.saturating_sub(within)),
            except: None,
        })
        .collect()
    }

    /// What it is to leave behind.
    ///
    /// # Errors
    /// It lacks an argument, or has one that cannot be counted.
    pub(super) fn rows(
        &self,
        declared: &Declared,
        mac: &Hmac<Sha256>,
        (missing, span): (Missing, Span),
    ) -> Result<Rows> {
        let mut rows: BTreeMap<String, (Ending, NewRow)> = BTreeMap::new();
        let mut faults = Vec::new();
        for fact in declared.facts().iter().filter(|it| self.counts_for(it)) {
            match self.share(fact, mac) {
                Ok(share) => {
                    let row = self.row(fact, share, span);
                    let known =
                        rows.entry(row.fact.clone()).or_insert_with(|| (fact.ending, row.clone()));
                    known.1.keep_for_the_longer(row.keep_for);
                }
                Err(_) if missing == Missing::Left => {}
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let (reserved, ended) = rows.into_values().partition(|(ending, _)| *ending == Ending::Any);
        let bare = |rows: Vec<(Ending, NewRow)>| rows.into_iter().map(|(_, row)| row).collect();
        Ok(Rows { reserved: bare(reserved), ended })
    }

    fn counts_for(&self, fact: &Fact) -> bool {
        fact.action.as_str() == self.action
            && fact.tool.as_ref().is_none_or(|it| self.resource.name().to_lowercase() == *it)
            && fact.set.as_ref().is_none_or(|it| self.is(&uid::uid(uid::Kind::ToolSet, it)))
    }

    /// Whether the resource is this one, or is in it.
    fn is(&self, it: &EntityUid) -> bool {
        let sets = || self.resource.entity().map(|it| it.clone().into_inner().2);
        self.resource.uid() == *it
            || self.sets.get_or_init(|| sets().unwrap_or_default()).contains(it)
    }

    fn subject(&self, fact: &Fact) -> String {
        match fact.per {
            Per::Principal => format!("principal:{}", self.who.principal),
            Per::Session => self.sessions(fact).unwrap_or(&self.who.session).clone(),
            Per::User => format!("user:{}", self.who.user),
            Per::Tool => format!("tool:{}", self.resource.uid().id().unescaped()),
            Per::Everybody => "everybody".to_owned(),
        }
    }

    /// What is counted in the place of the session: a machine gets another with every token. More
    /// is counted like this, so it is only for what can do nothing but take away.
    fn sessions(&self, fact: &Fact) -> Option<&String> {
        let can_stand = fact.per == Per::Session && fact.ending == Ending::Any;
        self.who.machine.as_ref().filter(|_| can_stand)
    }

    /// How far back it looks, in microseconds; none for as long as the session lasts. Those of a
    /// machine last as long as its tokens.
    fn within(&self, fact: &Fact, span: Span) -> Option<i64> {
        fact.within.or(self.sessions(fact).map(|_| span.token_life))
    }

    fn share(&self, fact: &Fact, mac: &Hmac<Sha256>) -> Result<Share, FieldFault> {
        let Some(at) = fact.count.pointer() else { return Ok(Share::One) };
        let fault = |detail: String| FieldFault { pointer: format!("{ARGUMENTS}{at}"), detail };
        let given = self.arguments.and_then(|it| it.pointer(at)).filter(|it| !it.is_null());
        let missing = || format!("policies count it as `{}`: say what it is", fact.name);
        let given = given.ok_or_else(|| fault(missing()))?;
        match &fact.count {
            Count::Calls => Ok(Share::One),
            Count::Distinct(_) => {
                let mut mac = mac.clone();
                mac.update(&exact_bytes(given));
                Ok(Share::Value(mac.finalize().into_bytes().to_vec()))
            }
            Count::Sum(_) => match Amount::of(given) {
                // One that is below zero would make room for others.
                Ok(it) if it >= Amount::ZERO => Ok(Share::Amount(it)),
                Ok(_) => Err(fault(format!("`{}` adds up amounts from zero on", fact.name))),
                Err(error) => Err(fault(format!("`{}` cannot add it up: {error}", fact.name))),
            },
        }
    }

    fn row(&self, fact: &Fact, share: Share, span: Span) -> NewRow {
        let (value, amount) = match share {
            Share::One => (None, None),
            Share::Value(it) => (Some(it), None),
            Share::Amount(it) => (None, Some(it.units())),
        };
        let (fact_key, subject) = (fact.key(), self.subject(fact));
        NewRow { fact: fact_key, subject, value, amount, keep_for: self.within(fact, span) }
    }
}
