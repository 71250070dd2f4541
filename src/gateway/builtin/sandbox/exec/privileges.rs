//! Capabilities: a few to set up with, none to run with.

use nix::sys::prctl::{get_no_new_privs, set_no_new_privs};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::super::wire::{Layer, OrRefuse as _, Refusal, ensure};

const OF: Layer = Layer::Privileges;

/// To mount, and to take capabilities out of the bounding set.
const FOR_SETTING_UP: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP];

/// Lets the next program have what setting up needs; it is worth something in the new user
/// namespace only.
pub fn hand_down() -> Result<(), Refusal> {
    let mut sets = capabilities(None).or_refuse(OF, "reading capabilities")?;
    sets.inheritable = FOR_SETTING_UP.into_iter().collect();
    set_capabilities(None, sets).or_refuse(OF, "handing capabilities down")?;
    for it in FOR_SETTING_UP {
        configure_capability_in_ambient_set(it, true).or_refuse(OF, "handing capabilities down")?;
    }
    Ok(())
}

/// Gives up every capability for good.
pub fn give_up() -> Result<(), Refusal> {
    clear_ambient_capability_set().or_refuse(OF, "clearing ambient capabilities")?;
    // The last one known differs from kernel to kernel, and one that is unknown is an error.
    for it in known() {
        remove_capability_from_bounding_set(it).or_refuse(OF, "bounding capabilities")?;
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).or_refuse(OF, "giving up capabilities")?;
    set_no_new_privs().or_refuse(OF, "refusing new privileges")?;
    ensure(OF, get_no_new_privs() == Ok(true), "new privileges are not refused")?;
    let bound = known().filter(|it| capability_is_in_bounding_set(*it) != Ok(false)).count();
    ensure(OF, bound == 0, "some capability can be had again")?;
    ensure(OF, capabilities(None) == Ok(sets), "some capability is left")
}

fn known() -> impl Iterator<Item = CapabilitySet> {
    CapabilitySet::all().iter().filter(|it| capability_is_in_bounding_set(*it).is_ok())
}
