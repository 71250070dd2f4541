//! Asking about many resources: those that the policies cannot tell apart are asked about once.

use std::collections::HashMap;

use super::action::Resource;
use super::asked::Asked;
use super::verdict::Outcome;
use crate::Result;

/// One question about one resource after the other.
pub struct Many<'a> {
    asked: &'a Asked<'a>,
    /// By what resources have and are in.
    known: HashMap<Vec<u8>, Outcome>,
}

impl<'a> Many<'a> {
    pub fn new(asked: &'a Asked<'a>) -> Many<'a> {
        Many { asked, known: HashMap::new() }
    }

    /// What Cedar says about this one, or said about one like it.
    pub fn about(&mut self, resource: &dyn Resource) -> Result<Outcome> {
        let Some(likeness) = self.likeness(resource) else { return self.asked.about(resource) };
        if let Some(known) = self.known.get(&likeness) {
            return Ok(known.clone());
        }
        let outcome = self.asked.about(resource)?;
        // What failed may have failed for this one alone.
        if outcome.errors.is_empty() {
            self.known.insert(likeness, outcome.clone());
        }
        Ok(outcome)
    }

    fn likeness(&self, resource: &dyn Resource) -> Option<Vec<u8>> {
        let uid = resource.uid();
        let sight = self.asked.sight(uid.type_name())?;
        sight.takes_for_others(&uid).then(|| resource.likeness())?
    }
}
