//! A grant that somebody asks for, as the policies see it: what it is about, on which template it
//! would stand, and how many there are already of whoever asks.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use uuid::Uuid;

use super::actions::GrantRequest;
use super::{Alike, names};
use crate::audit::Target;
use crate::authz::facts::Granting;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View, World};
use crate::policy::{Bundle, Form, Unfit};
use crate::registry::Tool;

/// A grant that is not there yet.
#[derive(Debug)]
pub struct Proposed {
    granted: Granted,
    form: Result<Form, Unfit>,
    granting: Granting,
}

impl Proposed {
    /// None where there is no such tool, or nothing decides.
    pub(super) fn of(request: &GrantRequest, by: Option<Uuid>, world: &World) -> Option<Proposed> {
        let granted = Granted::named(&request.resource, world)?;
        let bundle = &world.bundles.deciding()?.bundle;
        let form = bundle.form(&request.template);
        let granting = Granting {
            // What no grant can stand on is refused for that, whoever asks.
            about_use: form.as_ref().map_or(true, |it| it.about_use),
            ..granting(request, by, bundle, world)
        };
        Some(Proposed { granted, form, granting })
    }

    pub(super) fn granting(&self) -> &Granting {
        &self.granting
    }

    /// Why its template cannot be granted, when it cannot.
    pub fn unfit(&self) -> Option<&Unfit> {
        self.form.as_ref().err()
    }
}

/// Whom it is for, and what the caller made before.
fn granting(request: &GrantRequest, by: Option<Uuid>, bundle: &Bundle, world: &World) -> Granting {
    let directory = world.directory.snapshot();
    let to = names::meant(&request.principal, &directory);
    let role = to.as_ref().filter(|it| Kind::of(it.type_name()) == Some(Kind::Role));
    let role = role.map(|it| it.id().unescaped().to_owned());
    // One that nobody knows is none to Cedar, either; it is refused later.
    let role = role.filter(|it| names::known(Kind::Role, bundle, &directory).contains(it));
    let alike = Alike::to(&request.template, bundle.permitting());
    let (mut made, mut made_for_same) = (0, 0);
    for it in world.grants.snapshot().all() {
        if by == Some(it.created_by) && alike.has(&it.link) {
            made += 1;
            made_for_same += u64::from(to.as_ref() == Some(it.principal()));
        }
    }
    Granting { role, made, made_for_same, ..Granting::of_use() }
}

/// What a grant is about: a tool, or all tools of a tag.
#[derive(Clone, Debug)]
enum Granted {
    Tool(Arc<Tool>),
    Set(String),
}

impl Granted {
    fn named(text: &str, world: &World) -> Option<Granted> {
        let catalogue = world.registry.catalogue();
        match text.split_once(':')? {
            ("Tool", name) => {
                let by_id = name.parse().ok().and_then(|id: Uuid| catalogue.tool(id));
                by_id.or_else(|| catalogue.named(name)).cloned().map(Granted::Tool)
            }
            ("ToolSet", tag) if !tag.is_empty() => Some(Granted::Set(tag.to_owned())),
            _ => None,
        }
    }
}

impl Resource for Proposed {
    fn uid(&self) -> EntityUid {
        match &self.granted {
            Granted::Tool(tool) => tool.uid(),
            Granted::Set(tag) => uid(Kind::ToolSet, tag),
        }
    }

    fn entity(&self) -> Option<&Entity> {
        match &self.granted {
            Granted::Tool(tool) => tool.entity(),
            Granted::Set(_) => None,
        }
    }

    fn name(&self) -> &str {
        match &self.granted {
            Granted::Tool(tool) => tool.name(),
            Granted::Set(tag) => tag,
        }
    }

    fn target(&self) -> Target {
        match &self.granted {
            Granted::Tool(tool) => tool.target(),
            Granted::Set(tag) => {
                Target { kind: "ToolSet".into(), id: tag.clone(), name: tag.clone() }
            }
        }
    }

    fn view(&self) -> Option<View> {
        match &self.granted {
            Granted::Tool(tool) => tool.view(),
            Granted::Set(_) => None,
        }
    }
}
