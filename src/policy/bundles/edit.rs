//! One change to one policy of a bundle's files.

use super::files::POLICIES;
use super::stored::Files;
use crate::policy::{Bundle, Meta, Tier};
use crate::{Error, Result};

/// Where a policy goes that comes without a file.
const DEFAULT_FILE: &str = "90-added.cedar";

/// What becomes of a policy.
#[derive(Debug)]
pub enum Edit {
    /// `text` beside the others, in `file` of the policy directory if one is named.
    Add {
        text: String,
        file: Option<String>,
    },
    /// `text` in the place of the policy `id`.
    Replace {
        id: String,
        text: String,
    },
    Remove {
        id: String,
    },
}

impl Edit {
    /// The policy that changes, where there must be one.
    fn policy(&self) -> Option<&str> {
        match self {
            Edit::Add { .. } => None,
            Edit::Replace { id, .. } | Edit::Remove { id } => Some(id),
        }
    }

    /// The policy that there must be afterwards.
    pub(super) fn keeps(&self) -> Option<&str> {
        match self {
            Edit::Replace { id, .. } => Some(id),
            Edit::Add { .. } | Edit::Remove { .. } => None,
        }
    }

    /// Whose the policy is that changes; none where there is no such policy.
    pub(super) fn tier(&self, bundle: &Bundle) -> Option<Tier> {
        match self.policy() {
            None => Some(Tier::Org),
            Some(id) => bundle.meta(id).map(|it| it.tier),
        }
    }

    /// The files of `bundle` with this change.
    ///
    /// # Errors
    /// The policy is a link, which is no text of its own; the file is none of a bundle's.
    pub(super) fn apply(&self, bundle: &Bundle, mut files: Files) -> Result<Files> {
        match self {
            Edit::Add { text, file } => {
                let name = file.as_deref().unwrap_or(DEFAULT_FILE);
                let all = files.entry(format!("{POLICIES}/{name}")).or_default();
                if !all.is_empty() {
                    all.push_str(if all.ends_with('\n') { "\n" } else { "\n\n" });
                }
                all.push_str(text);
                if !text.ends_with('\n') {
                    all.push('\n');
                }
            }
            Edit::Replace { id, text } => {
                let meta = bundle.meta(id).ok_or(Error::NotFound)?;
                splice(&mut files, meta, text.trim_end())?;
            }
            Edit::Remove { id } => {
                let meta = bundle.meta(id).ok_or(Error::NotFound)?;
                splice(&mut files, meta, "")?;
                files.retain(|_, text| !text.trim().is_empty());
            }
        }
        Ok(files)
    }
}

/// Puts `text` where the policy stands.
fn splice(files: &mut Files, meta: &Meta, text: &str) -> Result<()> {
    let whole = files.get_mut(&format!("{POLICIES}/{}", meta.file));
    let place = whole.and_then(|it| it.find(&meta.text).map(|at| (it, at)));
    let Some((whole, at)) = place else {
        return Err(Error::Conflict(
            format!("it is no policy of its own: change `{}`, and push the bundle", meta.file)
                .into(),
        ));
    };
    whole.replace_range(at..at + meta.text.len(), text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::files::files;
    use super::*;

    const TEXT: &str = "@id(\"ours.x\")\n@title(\"Ours\")\nforbid (principal, action, resource);";

    fn changed(edit: &Edit) -> Files {
        let bundle = Bundle::starter().unwrap();
        edit.apply(&bundle, files(bundle.sources())).unwrap()
    }

    #[test]
    fn one_policy_changes_and_nothing_else() {
        let before = files(Bundle::starter().unwrap().sources());
        let path = "policies/40-use.cedar";
        let id = "use.translators".to_owned();
        let replaced = changed(&Edit::Replace { id: id.clone(), text: TEXT.into() });
        let named = format!("@id(\"{id}\")");
        assert!(replaced[path].contains(TEXT) && !replaced[path].contains(&named));
        let removed = changed(&Edit::Remove { id });
        assert_eq!(removed[path], replaced[path].replace(TEXT, ""));
        for (name, text) in &before {
            assert!(name == path || (replaced[name] == *text && removed[name] == *text), "{name}");
        }
    }

    #[test]
    fn an_addition_stands_in_a_file_of_its_own_or_after_what_is_there() {
        let added = changed(&Edit::Add { text: TEXT.into(), file: None });
        assert_eq!(added["policies/90-added.cedar"], format!("{TEXT}\n"));
        let file = Some("40-use.cedar".to_owned());
        let added = changed(&Edit::Add { text: TEXT.into(), file });
        assert!(added["policies/40-use.cedar"].ends_with(&format!(";\n\n{TEXT}\n")));
    }

    #[test]
    fn the_tier_is_that_of_the_policy() {
        let bundle = Bundle::starter().unwrap();
        let tier = |id: &str| Edit::Remove { id: id.into() }.tier(&bundle);
        assert_eq!(tier("root.policy.work"), Some(Tier::Root));
        assert_eq!(tier("use.translators"), Some(Tier::Org));
        assert_eq!(tier("nothing"), None);
    }
}
