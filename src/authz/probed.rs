//! Supposing that a tool's server was just probed, to see whether that would help.

use cedar_policy::{Entity, EntityUid};

use super::Resource;

/// A tool as it would be if its server had just been probed.
pub(super) struct Probed<'a> {
    tool: &'a dyn Resource,
    entity: Entity,
}

impl Probed<'_> {
    /// None where there is nothing to probe.
    pub fn of(tool: &dyn Resource) -> Option<Probed<'_>> {
        let (uid, mut attributes, parents) = tool.entity()?.clone().into_inner();
        attributes.remove("probe_valid_until")?;
        Some(Probed { tool, entity: Entity::new(uid, attributes, parents).ok()? })
    }
}

impl Resource for Probed<'_> {
    fn uid(&self) -> EntityUid {
        self.tool.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        self.tool.name()
    }
}
