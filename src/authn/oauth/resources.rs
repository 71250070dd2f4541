//! The services that tokens are given for (RFC 8707).

use url::Url;

/// The audiences we give tokens for. The first is this service itself.
#[derive(Clone, Debug)]
pub struct Resources {
    own: String,
    /// What a client may write, and the audience it stands for.
    known: Vec<(Url, String)>,
}

/// Why a token is given for no such thing (`invalid_target`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResource {
    #[error("`resource` must be an absolute URI without a fragment")]
    NotAUri,
    #[error("no tokens are given here for this `resource`")]
    Unknown,
}

impl Resources {
    /// `own` is the audience of tokens for this service, `also` other names of it, and `others` are
    /// the services that tokens are given for besides.
    pub fn new(own: &str, also: &str, others: &[String]) -> Resources {
        let named =
            |name: &str, audience: &str| Some((Url::parse(name).ok()?, audience.to_owned()));
        let of_own = [named(own, own), named(also, own)];
        let known = of_own.into_iter().chain(others.iter().map(|it| named(it, it))).flatten();
        Resources { own: own.to_owned(), known: known.collect() }
    }

    /// The audience of tokens for this service.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// The audience that `asked` stands for; this service where nothing is asked for. An origin is
    /// the same with and without a slash behind it.
    ///
    /// # Errors
    /// It is no URI, or one that we give no tokens for.
    pub fn audience(&self, asked: Option<&str>) -> Result<&str, BadResource> {
        let Some(asked) = asked else { return Ok(&self.own) };
        let url = Url::parse(asked).map_err(|_| BadResource::NotAUri)?;
        if url.fragment().is_some() {
            return Err(BadResource::NotAUri);
        }
        let found = self.known.iter().find(|(it, _)| *it == url);
        // An audience of our own choosing need not be a URL, and can be asked for all the same.
        let literal = (asked == self.own).then_some(&self.own);
        found
            .map(|(_, audience)| audience)
            .or(literal)
            .map(String::as_str)
            .ok_or(BadResource::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_one_that_is_known() {
        let others = ["https://tools.example/mcp".to_owned()];
        let resources = Resources::new("urn:gate", "https://gate.example", &others);
        for (asked, audience) in [
            (None, Ok("urn:gate")),
            (Some("urn:gate"), Ok("urn:gate")),
            (Some("https://gate.example"), Ok("urn:gate")),
            (Some("https://gate.example/"), Ok("urn:gate")),
            (Some("https://GATE.example:443/"), Ok("urn:gate")),
            (Some("https://tools.example/mcp"), Ok("https://tools.example/mcp")),
            (Some("https://tools.example/mcp/"), Err(BadResource::Unknown)),
            (Some("https://tools.example"), Err(BadResource::Unknown)),
            (Some("https://gate.example.evil.example"), Err(BadResource::Unknown)),
            (Some("https://gate.example@evil.example"), Err(BadResource::Unknown)),
            (Some("http://gate.example"), Err(BadResource::Unknown)),
            (Some("https://gate.example#x"), Err(BadResource::NotAUri)),
            (Some("https://gate.example/#"), Err(BadResource::NotAUri)),
            (Some("/mcp"), Err(BadResource::NotAUri)),
            (Some("gate"), Err(BadResource::NotAUri)),
        ] {
            assert_eq!(resources.audience(asked), audience, "{asked:?}");
        }
    }
}
