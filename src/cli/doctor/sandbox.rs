//! The sandbox: whether code would run on this host, tried.

use super::Finding;
use crate::clock::Clock;
use crate::gateway::builtin::sandbox::{Launcher, Layer, Sandbox, SandboxFailure};
use crate::settings::Settings;

const OF: &str = "sandbox";

pub async fn examine(settings: &Settings, clock: &Clock) -> Finding {
    let sandbox = match Sandbox::open(&settings.gateway, Launcher::this(), clock) {
        Ok(it) => it,
        Err(error) => {
            let mend = "correct the settings `gateway.sandbox_…`";
            return Finding::broken(OF, format!("{error:#}"), mend);
        }
    };
    match sandbox.trial().await {
        Ok(version) => Finding::well(OF, format!("runs Python {version}, shut off from this host")),
        Err(SandboxFailure::NotConfigured) => Finding::well(OF, "none: no code is run for agents"),
        Err(SandboxFailure::Unavailable(refusal)) => {
            Finding::broken(OF, refusal.to_string(), mend(refusal.layer))
        }
        Err(failure) => {
            Finding::broken(OF, failure.to_string(), "raise the limits `gateway.sandbox_…`")
        }
    }
}

fn mend(layer: Layer) -> &'static str {
    match layer {
        Layer::Interpreter => {
            "set `gateway.sandbox` to a Python that everybody may run, such as `/usr/bin/python3`"
        }
        Layer::Namespaces => {
            "let unprivileged user namespaces be made: `sysctl user.max_user_namespaces`, on \
             Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, in a container a \
             seccomp profile that allows `unshare`"
        }
        Layer::Root | Layer::Privileges => {
            "in a container, let a user namespace mount: a seccomp profile that allows `mount`, \
             `umount2` and `pivot_root`, and an AppArmor profile that does (or `unconfined`)"
        }
        Layer::Landlock => "use Linux 5.13 or later, with `landlock` in its boot parameter `lsm=`",
        Layer::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER",
        Layer::Launch | Layer::Descriptors | Layer::Limits => {
            "see the README's part on the sandbox, or take `gateway.sandbox` out"
        }
    }
}
