//! The `gatewright.toml` that `gatewright init` writes: every setting, its meaning and default.

use super::keys::{KEYS, Key, SECTIONS, toml_text};

const HEAD: &str = "\
# Settings of Gatewright. Each line that begins with `#` and a name shows a default: take the `#`
# away to change it. Lines with `# e.g.` have no default. What is given later wins: this file, then
# .env, then variables (`listen` is GATEWRIGHT_LISTEN, `auth.issuer` is GATEWRIGHT_AUTH__ISSUER),
# then flags (`--listen`, `--auth-issuer`).
";

/// The text of the file.
pub fn template() -> String {
    let mut out = HEAD.to_owned();
    for key in KEYS.iter().filter(|it| !it.name.contains('.')) {
        out += &lines(key, &key.name);
    }
    for section in SECTIONS.iter() {
        out += &format!("\n# {}\n[{}]\n", section.doc, section.name);
        for key in KEYS.iter() {
            if let Some(name) = key.name.strip_prefix(&format!("{}.", section.name)) {
                out += &lines(key, name);
            }
        }
    }
    out
}

fn lines(key: &Key, name: &str) -> String {
    let doc = key.doc.trim_end_matches('.');
    let value = match (&key.default, &key.example) {
        (Some(default), None) => format!("#{name} = {}", toml_text(default)),
        (Some(default), Some(example)) => {
            format!("#{name} = {}\n# e.g. {name} = {}", toml_text(default), toml_text(example))
        }
        (None, Some(example)) => format!("# e.g. {name} = {}", toml_text(example)),
        (None, None) => format!("# e.g. {name} = \"…\""),
    };
    format!("\n# {doc}{}.\n{value}\n", key.bounds())
}
