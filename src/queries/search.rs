//! Searches: each candidate is decided on by itself, as many as one request may cost.

use super::inquiry::{Inquiry, Question, Who, pointer};
use super::model::{Named, Properties, Sought, Verb};
use super::names::{Subject, Thing};
use super::page::Place;
use super::particulars::Given;
use super::right::{About, QueryAccess, SearchAccess, particulars};
use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Each};

/// Candidates that are looked at before others get a turn.
const TURN: usize = 32;

/// What was found.
pub struct Found<T> {
    pub results: Vec<T>,
    /// The place of the last one that was looked at, where there may be more behind it.
    pub next: Option<String>,
    /// What was sent and did not count, as JSON pointers.
    pub ignored: Vec<String>,
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
        let found = Found { results: Vec::new(), next: None, ignored };
        Page { place, found, last: place.after.clone(), looked_at: 0 }
    }

    /// Whether the next candidate is to be looked at; if not, the page ends before it.
    async fn goes_on(&mut self, inquiry: &Inquiry<'_>) -> bool {
        if self.looked_at % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        self.looked_at += 1;
        let full = self.found.results.len() >= usize::from(self.place.limit);
        // Every page gets on, by one at least.
        if full || (self.looked_at > 1 && inquiry.is_spent()) {
            self.found.next = Some(self.last.take().unwrap_or_default());
            return false;
        }
        true
    }

    fn looked_at(&mut self, place: String, found: Option<T>) {
        self.found.results.extend(found);
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

    /// The subjects of a type that may do this, among those whom the caller may ask about.
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
        let trusted = self.trusts(&About::other(""), owner.as_deref())?;
        let mut ignored = unused("subject", &sought.properties);
        let properties = self.counted("resource", &resource.properties, trusted, &mut ignored);
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
        let given = Given::new(verb, context, trusted);
        let mut page = Page::new(place, ignored);
        for (at, subject, shown) in self.candidates(&kind, &sought.kind, place) {
            if !page.goes_on(self).await {
                break;
            }
            let mut ignored = Vec::new();
            let who = self.askable(&asks, &subject, &mut ignored)?;
            let allowed = match who {
                Some(who) => self.may(who, &thing, &about, given, &mut ignored).await?,
                None => false,
            };
            page.found.ignored.extend(ignored);
            page.looked_at(at, allowed.then_some(shown));
        }
        Ok(page.found.tidy())
    }

    /// Somebody whom the caller may ask about.
    fn askable(
        &self,
        asks: &Each<'_>,
        subject: &Subject,
        ignored: &mut Vec<String>,
    ) -> Result<Option<Who>> {
        self.count(1);
        if !asks.allows(&subject.about)? {
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
        let trusted = self.trusts(&question.subject.about, None)?;
        let mut ignored = unused("resource", &asked.resource.properties);
        let properties = self.counted("subject", &asked.subject.properties, trusted, &mut ignored);
        let who = self.who(&question.subject, &properties, &mut ignored)?;
        let kind = self.names.thing_kind(&asked.resource.kind);
        let mut page = Page::new(place, ignored);
        let (Ok(who), Some(kind)) = (who, kind) else { return Ok(page.found) };
        let sees_tools = self.authz.each(self.caller, "view_tool", &Particulars::Find)?;
        let given = Given::new(&asked.action, &asked.context, trusted);
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
            let allowed =
                seen && self.may(who.clone(), &thing, &about, given, &mut ignored).await?;
            page.found.ignored.extend(ignored);
            page.looked_at(at, allowed.then_some(shown));
        }
        Ok(page.found.tidy())
    }

    /// The actions that somebody may do to something. An action that needs more said than its name
    /// is not found.
    ///
    /// # Errors
    /// As [`Inquiry::subjects`].
    pub async fn actions(&self, question: &Question<'_>, place: &Place) -> Result<Found<Verb>> {
        let asked = question.asked;
        let owner = question.thing.as_ref().and_then(Thing::tool_owner);
        let trusted = self.trusts(&question.subject.about, owner.as_deref())?;
        let mut ignored = Vec::new();
        let of_subject = self.counted("subject", &asked.subject.properties, trusted, &mut ignored);
        let of_thing = self.counted("resource", &asked.resource.properties, trusted, &mut ignored);
        let who = self.who(&question.subject, &of_subject, &mut ignored)?;
        let known = match self.visible(question.thing.as_ref())? {
            Some(it) => self.about(&it, &of_thing, &mut ignored)?,
            None => None,
        };
        let mut page = Page::new(place, ignored);
        let (Ok(who), Some((thing, about))) = (who, known) else { return Ok(page.found) };
        let names = self.verbs(who.entity.uid().type_name(), &thing);
        for name in names.into_iter().filter(|it| place.is_before(it)) {
            if !page.goes_on(self).await {
                break;
            }
            let verb = Verb { name: name.clone(), properties: Properties::new() };
            let given = Given::new(&verb, &asked.context, trusted);
            let mut ignored = Vec::new();
            let allowed = self.may(who.clone(), &thing, &about, given, &mut ignored).await?;
            page.found.ignored.extend(ignored);
            page.looked_at(name, allowed.then(|| verb.clone()));
        }
        Ok(page.found.tidy())
    }

    async fn may(
        &self,
        mut who: Who,
        thing: &Thing,
        about: &Option<cedar_policy::Entity>,
        given: Given<'_>,
        ignored: &mut Vec<String>,
    ) -> Result<bool> {
        let Ok(action) = self.action(given.name, who.entity.uid().type_name(), thing) else {
            return Ok(false);
        };
        let Ok(particular) = self.particular(&action, thing, given).await? else {
            return Ok(false);
        };
        self.tell(&mut who.facts, given, &particular, ignored);
        Ok(self.decide(&who, &action, (thing, about.clone()), particular).await?.1.allow)
    }

    /// Properties that count, where the caller is trusted with them.
    fn counted(
        &self,
        of: &str,
        from: &Properties,
        trusted: bool,
        ignored: &mut Vec<String>,
    ) -> Properties {
        if trusted {
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
