//! Policies in the form that the official formatter gives them.

use cedar_policy::PolicySet;
use cedar_policy_formatter::{Config, policies_str_to_pretty};

use super::bundle::apart;
use super::load::SourceFile;
use super::{Fault, bounds, starter};

const LINE_WIDTH: usize = 100;
const INDENT_WIDTH: isize = 2;
/// How often a text is formatted before it must stay as it is.
const PASSES_MAX: usize = 4;

/// The text of a policy file as the formatter writes it, comments included. Formatted again, it
/// stays as it is. The root tier of this release stays as it is, too: it is part of every bundle.
///
/// # Errors
/// The file is out of bounds, does not parse, or the formatter would lose some of it.
pub fn formatted(file: &SourceFile) -> Result<String, Vec<Fault>> {
    if starter::is_root_tier(&file.text) {
        return Ok(file.text.clone());
    }
    bounds::check_policies(file).map_err(|it| vec![it])?;
    apart(|| {
        let parsed = file.text.parse::<PolicySet>();
        parsed.map_err(|them| -> Vec<Fault> {
            them.iter().map(|it| Fault::found(file, it).ruled("syntax")).collect()
        })?;
        let config = Config { line_width: LINE_WIDTH, indent_width: INDENT_WIDTH };
        let mut text = file.text.clone();
        for _ in 0..PASSES_MAX {
            let next = policies_str_to_pretty(&text, &config).map_err(|it| {
                vec![Fault::whole(&file.path, format!("cannot be formatted: {it}"))]
            })?;
            // Before comments that no policy follows, the formatter leaves a line empty.
            let next = next.trim_start_matches('\n');
            if next == text {
                return Ok(text);
            }
            text = next.to_owned();
        }
        Err(vec![Fault::whole(&file.path, "the formatter comes to no end with it")])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Sources;

    #[test]
    fn what_is_shipped_is_in_the_form_that_its_users_hold_theirs_to() {
        let starter = Sources::starter();
        for file in &starter.policies {
            assert!(
                formatted(file).unwrap() == file.text,
                "{}: `gatewright policy fmt`",
                file.path
            );
        }
    }
}
