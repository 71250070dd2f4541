//! An explanation for people.

use std::fmt;

use serde_json::Value;

use super::conditions::{Condition, Seen};
use super::explanation::{Explanation, Judged};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.decision == "allow" { "allowed" } else { "denied" };
        let is_near = self.policies.iter().any(|it| !it.applied);
        match (self.policies.is_empty(), is_near) {
            (true, _) if let Some(unfit) = &self.unfit => {
                writeln!(f, "{said}, no policy was asked: {unfit}")?;
            }
            (true, _) => writeln!(f, "{said}: no policy permits it")?,
            (false, true) => writeln!(f, "{said}: no policy permits it; these nearly do:")?,
            (false, false) => writeln!(f, "{said} by:")?,
        }
        for policy in &self.policies {
            write!(f, "{policy}")?;
        }
        if self.decision == "deny" {
            self.write_fix(f)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

impl Explanation {
    fn write_fix(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fix.as_slice() {
            [] => writeln!(f, "nothing that is in anybody's power would turn it into an allow")?,
            [one] => writeln!(f, "it would be allowed with this: {}", one.detail)?,
            all => {
                writeln!(f, "it would be allowed with all of this:")?;
                for it in all {
                    writeln!(f, "  - {}", it.detail)?;
                }
            }
        }
        if !self.fix_complete {
            writeln!(f, "note: the search ended before everything was tried")?;
        }
        Ok(())
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {}: {}", self.effect, self.id, self.title)?;
        if let Some(principal) = &self.principal {
            writeln!(f, "    asked of {principal}")?;
        }
        let Some(conditions) = &self.conditions else {
            for value in &self.values {
                writeln!(f, "    {value}")?;
            }
            return Ok(());
        };
        for condition in conditions {
            write_condition(f, condition, self.file.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }
}

fn write_condition(f: &mut fmt::Formatter<'_>, it: &Condition, file: &str) -> fmt::Result {
    let held = match it.holds.map(|it_holds| it_holds != it.negated) {
        Some(true) => "holds",
        Some(false) if it.clause == "unless" => "does not hold, as `unless` wants it",
        Some(false) => "does not hold",
        None => "was not to be asked",
    };
    write!(f, "    {file}:{} {} ", it.line, it.clause)?;
    match it.negated {
        true => writeln!(f, "!({}): {held}", it.text)?,
        false => writeln!(f, "{}: {held}", it.text)?,
    }
    for value in &it.values {
        writeln!(f, "      {value}")?;
    }
    Ok(())
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.path)?;
        match &self.value {
            Value::Null => f.write_str("absent"),
            Value::String(it) if !it.is_empty() && !it.contains(char::is_whitespace) => {
                f.write_str(it)
            }
            other => f.write_str(&other.to_string()),
        }
    }
}
