//! Landlock: which of the files that are there may be touched, and how.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};

use super::super::wire::{Layer, OrRefuse as _, Refusal, View, ensure};
use super::root;

const OF: Layer = Layer::Landlock;

/// What the kernel must know (Linux 5.13). The rights that came later are about what the file
/// system of the sandbox, which is read-only, and the filter of calls refuse as well.
const REQUIRED: ABI = ABI::V1;
const BEST: ABI = ABI::V9;

/// Restricts this process to the interpreter and the scratch folder; no network, and no signals
/// or sockets to the outside where the kernel can say that.
pub fn restrict(view: &View) -> Result<(), Refusal> {
    let ruleset = rules(view)?;
    let status = ruleset.restrict_self().or_refuse(OF, "putting the rules in force")?;
    ensure(OF, status.ruleset != RulesetStatus::NotEnforced, "this kernel does not enforce it")?;
    ensure(OF, status.no_new_privs, "new privileges are not refused")
}

fn rules(view: &View) -> Result<RulesetCreated, Refusal> {
    let doing = "making the rules (does this host have Landlock?)";
    let mut ruleset = handled().or_refuse(OF, doing)?;
    let (run, read) = (AccessFs::Execute | AccessFs::ReadFile, AccessFs::ReadFile.into());
    let list = AccessFs::ReadFile | AccessFs::ReadDir;
    let both = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let mut allowed: Vec<(&Path, BitFlags<AccessFs>)> = vec![
        (&view.executable, run),
        (root::CODE.as_ref(), read),
        (root::NOTHING.as_ref(), both),
        (root::SCRATCH.as_ref(), scratch()),
    ];
    allowed.extend(view.files.iter().map(|it| (&*it.at, run)));
    allowed.extend(view.folders.iter().map(|it| (&**it, list)));
    for (path, access) in allowed {
        let place = PathFd::new(path).or_refuse(OF, &path.display().to_string())?;
        let rule = PathBeneath::new(place, access);
        ruleset = ruleset.add_rule(rule).or_refuse(OF, &path.display().to_string())?;
    }
    Ok(ruleset)
}

fn handled() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(BEST))?
        .handle_access(AccessNet::from_all(BEST))?
        .scope(Scope::from_all(BEST))?
        .create()
}

/// All but running files, and making devices, pipes and sockets.
fn scratch() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::ReadDir
        | AccessFs::RemoveDir
        | AccessFs::RemoveFile
        | AccessFs::MakeDir
        | AccessFs::MakeReg
        | AccessFs::MakeSym
        | AccessFs::Refer
        | AccessFs::Truncate
}
