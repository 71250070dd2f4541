//! Searches: each candidate is decided on by itself, as many as one request may cost.

use cedar_policy::EntityUid;
use schemars::JsonSchema;
use serde::Serialize;

use super::inquiry::{Inquiry, Question, Who, pointer};
use super::mapped::Called;
use super::model::{Named, Properties, Sought, Verb};
use super::names::{Subject, Thing};
use super::page::Place;
use super::particulars::Given;
use super::right::{About, QueryAccess, SearchAccess, Trust, particulars};
use crate::Result;
use crate::authz::explain::{Hanging, Hangs};
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Each};

/// Candidates that are looked at before others get a turn.
const TURN: usize = 32;

/// What was found.
pub struct Found<T> {
    pub results: Vec<T>,
    /// Those for whom it hangs on arguments that nobody said.
    pub conditional: Vec<Conditional<T>>,
    /// The place of the last one that was looked at, where there may be more behind it: not for
    /// whoever asks, who may not know of it.
    pub next: Option<String>,
    /// What was sent and did not count, as JSON pointers.
    pub ignored: Vec<String>,
}

/// Somebody, or something, for whom the answer would be yes under conditions.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Conditional")]
pub struct Conditional<T> {
    pub result: T,
    /// None for whoever may not see the one who is asked about.
    pub conditions: Vec<Hangs>,
}

/// What was decided about one candidate.
enum May {
    Yes,
    No,
    If(Vec<Hangs>),
}

/// A page being filled.
struct Page<'a, T> {
    place: &'a Place,
    found: Found<T>,
    last: Option<String>,
    looked_at: usize,
}

impl<'a, T> Page<'a, T> {
    fn new(place: &'a Place, ignored: Vec<String>) -> Page<'a, T> {
        let found = Found { results: Vec::new(), conditional: Vec::new(), next: None, ignored };
        Page { place, found, last: place.after.clone(), looked_at: 0 }
    }

    /// Whether the next candidate is to be looked at; if not, the page ends before it.
    async fn goes_on(&mut self, inquiry: &Inquiry<'_>) -> bool {
        if self.looked_at % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        self.looked_at += 1;
        let found = self.found.results.len() + self.found.conditional.len();
        let full = found >= usize::from(self.place.limit);
        // Every page gets on, by one at least.
        if full || (self.looked_at > 1 && inquiry.is_spent()) {
            self.found.next = Some(self.last.take().unwrap_or_default());
            return false;
        }
        true
    }

    fn looked_at(&mut self, place: String, candidate: T, may: May) {
        match may {
            May::Yes => self.found.results.push(candidate),
            May::If(conditions) => {
                self.found.conditional.push(Conditional { result: candidate, conditions });
            }
            May::No => {}
        }
        self.last = Some(place);
    }
}

impl Inquiry<'_> {
    /// What the caller must be allowed to search for subjects who may use this.
    pub fn right_to_search(&self, resource: &Named) -> SearchAccess {
        let tool_owner = self.named(resource).as_ref().and_then(Thing::tool_owner);
        SearchAccess { about: About::other(&resource.id), tool_owner }
    }

    fn named(&self, resource: &Named) -> Option<Thing> {
        let kind = self.names.thing_kind(&resource.kind)?;
        self.names.thing(&kind, &resource.id)
    }

    /// The subjects of a type that may do this, among those whom the caller may ask about and may
    /// see: who is found lies in some role or group, and that is told to nobody who guards a tool.
    ///
    /// # Errors
    /// None that the question is to blame for: what is unknown finds nobody.
    pub async fn subjects(
        &self,
        (sought, verb, resource): (&Sought, &Verb, &Named),
        context: &Properties,
        place: &Place,
    ) -> Result<Found<Named>> {
        let thing = self.named(resource);
        let owner = thing.as_ref().and_then(Thing::tool_owner);
        let trust = self.trusts(&About::other(""), owner.as_deref())?;
        let mut ignored = unused("subject", &sought.properties);
        let properties = self.counted("resource", &resource.properties, trust, &mut ignored);
        let known = match self.visible(thing.as_ref())? {
            Some(it) => self.about(&it, &properties, &mut ignored)?,
            None => None,
        };
        let kind = self.names.subject_kind(&sought.kind);
        let (Some((thing, about)), Some(kind)) = (known, kind) else {
            return Ok(Page::new(place, ignored).found);
        };
        let told = particulars(owner.as_deref());
        let asks = self.authz.each(self.caller, QueryAccess::NAME, &told)?;
        let given = Given::new(verb, context, trust.circumstances);
        let mut page = Page::new(place, ignored);
        for (at, subject, shown) in self.candidates(&kind, &sought.kind, place) {
            if !page.goes_on(self).await {
                break;
            }
            let mut ignored = Vec::new();
            let who = self.askable(&asks, (&subject, owner.as_deref()), &mut ignored)?;
            let may = match who {
                Some(who) => self.may((who, &shown), &thing, &about, given, &mut ignored).await?,
                None => May::No,
            };
            page.found.ignored.extend(ignored);
            page.looked_at(at, shown, may);
        }
        Ok(page.found.tidy())
    }

    /// Somebody whom the caller may ask about, and know.
    fn askable(
        &self,
        asks: &Each<'_>,
        (subject, tool_owner): (&Subject, Option<&str>),
        ignored: &mut Vec<String>,
    ) -> Result<Option<Who>> {
        self.count(1);
        if !asks.allows(&subject.about)? || !self.finds(subject, tool_owner)? {
            return Ok(None);
        }
        Ok(self.who(subject, &Properties::new(), ignored)?.ok())
    }

    /// The resources of a type that somebody may do this to, among those that the caller may see.
    ///
    /// # Errors
    /// As [`Inquiry::subjects`].
    pub async fn resources(&self, question: &Question<'_>, place: &Place) -> Result<Found<Named>> {
        let asked = question.asked;
        let trust = self.trusts(&question.subject.about, None)?;
        let knows = self.knows(&question.subject, trust)?;
        let mut ignored = unused("resource", &asked.resource.properties);
        let properties = self.counted("subject", &asked.subject.properties, trust, &mut ignored);
        let who = self.who(&question.subject, &properties, &mut ignored)?;
        let kind = self.names.thing_kind(&asked.resource.kind);
        let mut page = Page::new(place, ignored);
        let (Ok(who), Some(kind), true) = (who, kind, knows) else { return Ok(page.found) };
        let sees_tools = self.authz.each(self.caller, "view_tool", &Particulars::Find)?;
        let given = Given::new(&asked.action, &asked.context, trust.circumstances);
        for (at, thing, shown) in self.things(&kind, &asked.resource.kind, place) {
            if !page.goes_on(self).await {
                break;
            }
            let seen = match &thing {
                Thing::Tool(it) => {
                    self.count(1);
                    sees_tools.allows(it)?
                }
                other => self.visible(Some(other))?.is_some(),
            };
            let mut ignored = Vec::new();
            let about = thing.entity().cloned();
            let may = match seen {
                true => {
                    let who = (who.clone(), &asked.subject);
                    self.may(who, &thing, &about, given, &mut ignored).await?
                }
                false => May::No,
            };
            page.found.ignored.extend(ignored);
            page.looked_at(at, shown, may);
        }
        Ok(page.found.tidy())
    }

    /// The actions that somebody may do to something, those about a role with each role that it may
    /// be. About somebody whom the caller may not see, only what uses or shows a thing.
    ///
    /// # Errors
    /// As [`Inquiry::subjects`].
    pub async fn actions(&self, question: &Question<'_>, place: &Place) -> Result<Found<Verb>> {
        let asked = question.asked;
        let owner = question.thing.as_ref().and_then(Thing::tool_owner);
        let trust = self.trusts(&question.subject.about, owner.as_deref())?;
        let knows = self.knows(&question.subject, trust)?;
        let mut ignored = Vec::new();
        let of_subject = self.counted("subject", &asked.subject.properties, trust, &mut ignored);
        let of_thing = self.counted("resource", &asked.resource.properties, trust, &mut ignored);
        let who = self.who(&question.subject, &of_subject, &mut ignored)?;
        let known = match self.visible(question.thing.as_ref())? {
            Some(it) => self.about(&it, &of_thing, &mut ignored)?,
            None => None,
        };
        let mut page = Page::new(place, ignored);
        let (Ok(who), Some((thing, about))) = (who, known) else { return Ok(page.found) };
        let is_shown = |it: &EntityUid| knows || self.is_use(it);
        let verbs = self.verbs(who.entity.uid().type_name(), &thing, is_shown);
        for (at, verb) in verbs.into_iter().filter(|(at, _)| place.is_before(at)) {
            if !page.goes_on(self).await {
                break;
            }
            let given = Given::new(&verb, &asked.context, trust.circumstances);
            let mut ignored = Vec::new();
            let who = (who.clone(), &asked.subject);
            let may = self.may(who, &thing, &about, given, &mut ignored).await?;
            page.found.ignored.extend(ignored);
            page.looked_at(at, verb, may);
        }
        if !knows {
            page.found.conditional.iter_mut().for_each(|it| it.conditions.clear());
        }
        Ok(page.found.tidy())
    }

    /// What an evaluation of this would answer; `named` is how it would name the subject.
    async fn may(
        &self,
        (mut who, named): (Who, &Named),
        thing: &Thing,
        about: &Option<cedar_policy::Entity>,
        given: Given<'_>,
        ignored: &mut Vec<String>,
    ) -> Result<May> {
        let Ok(action) = self.action(given.name, who.entity.uid().type_name(), thing) else {
            return Ok(May::No);
        };
        let Ok(particular) = self.particular(&action, thing, given).await? else {
            return Ok(May::No);
        };
        self.tell(&mut who.facts, given, &particular, ignored);
        let telling = particular.telling();
        let (case, outcome) =
            self.decide(&who, &action, (thing, about.clone()), particular).await?;
        if outcome.allow {
            let is_refused = match Called::of(Some(thing), named, given) {
                Some(it) => self.map(&it).await?.refusal.is_some(),
                None => false,
            };
            return Ok(if is_refused { May::No } else { May::Yes });
        }
        if !self.is_undecided(&case, telling) {
            return Ok(May::No);
        }
        Ok(match self.hanging(&case, telling)? {
            Hanging::On(conditions) => May::If(conditions),
            Hanging::No(_) => May::No,
        })
    }

    /// Properties that count, where the caller is trusted with them.
    fn counted(
        &self,
        of: &str,
        from: &Properties,
        trust: Trust,
        ignored: &mut Vec<String>,
    ) -> Properties {
        if trust.properties {
            return from.clone();
        }
        ignored.extend(unused(of, from));
        Properties::new()
    }
}

impl<T> Found<T> {
    fn tidy(mut self) -> Found<T> {
        self.ignored.sort_unstable();
        self.ignored.dedup();
        self
    }
}

impl Place {
    /// Whether the page is to hold what comes at `at`, or later.
    pub(super) fn is_before(&self, at: &str) -> bool {
        self.after.as_deref().is_none_or(|it| it < at)
    }
}

fn unused(of: &str, properties: &Properties) -> Vec<String> {
    properties.keys().map(|it| pointer(&[of, "properties", it])).collect()
}
