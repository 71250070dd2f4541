//! What the blocks of a token say, read from the very bytes that are signed.
//!
//! Biscuit's own reader offers blocks as Datalog text or as an engine to query. Neither tells a
//! fact of the issuer from one that a holder added, nor what a check is about, without work that
//! a hostile block can make expensive.

use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::schema::{self, Check, Fact, Predicate, Term, term};
use prost::Message;

use super::refusal::Refusal;
use super::token::malformed;

/// Symbols below this index are the same for every biscuit (specification, symbol table).
const OWN_SYMBOLS_FROM: u64 = 1024;

/// Every block of a token, the issuer's first.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    list: Vec<schema::Block>,
    /// Which blocks were signed by someone outside the chain; those bring their own symbols.
    foreign: Vec<bool>,
    common: SymbolTable,
    shared: Vec<String>,
}

/// One block together with the symbols that its names are written in.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) content: &'a schema::Block,
    common: &'a SymbolTable,
    own: &'a [String],
}

impl Blocks {
    pub(crate) fn decode(container: &schema::Biscuit) -> Result<Blocks, Refusal> {
        let signed = std::iter::once(&container.authority).chain(&container.blocks);
        let mut blocks = Blocks {
            list: Vec::with_capacity(1 + container.blocks.len()),
            foreign: Vec::with_capacity(1 + container.blocks.len()),
            common: SymbolTable::new(),
            shared: Vec::new(),
        };
        for it in signed {
            let mut block = schema::Block::decode(it.block.as_slice())
                .map_err(|it| malformed("a block of the token is unreadable").because(it))?;
            let foreign = it.external_signature.is_some();
            if !foreign {
                blocks.shared.append(&mut block.symbols);
            }
            blocks.list.push(block);
            blocks.foreign.push(foreign);
        }
        Ok(blocks)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Block<'_>> {
        self.list.iter().zip(&self.foreign).map(|(content, foreign)| Block {
            content,
            common: &self.common,
            own: if *foreign { &content.symbols } else { &self.shared },
        })
    }

    /// The scopes of every `right` that the issuer states.
    #[cfg(feature = "server")]
    pub(crate) fn rights(&self) -> std::collections::BTreeSet<&str> {
        let facts = self.get(0).into_iter().flat_map(|block| {
            block.facts().filter_map(move |(name, terms)| match (name, terms) {
                ("right", [_, scope]) => block.text(scope),
                _ => None,
            })
        });
        facts.collect()
    }

    /// How many facts and rules each block has.
    #[cfg(feature = "server")]
    pub(crate) fn statements(&self) -> Vec<(usize, usize)> {
        self.list.iter().map(|it| (it.facts.len(), it.rules.len())).collect()
    }

    /// The block at `index`, 0 being the issuer's.
    pub(crate) fn get(&self, index: usize) -> Option<Block<'_>> {
        self.iter().nth(index)
    }
}

impl<'a> Block<'a> {
    /// The string behind a symbol; empty when the token has none, which no format here uses.
    pub(crate) fn symbol(self, id: u64) -> &'a str {
        let own = || {
            let index = usize::try_from(id.checked_sub(OWN_SYMBOLS_FROM)?).ok()?;
            self.own.get(index).map(String::as_str)
        };
        own().or_else(|| self.common.get_symbol(id)).unwrap_or_default()
    }

    /// The longest string that this block can name, in bytes.
    pub(crate) fn longest_symbol(self) -> usize {
        self.own.iter().map(String::len).max().unwrap_or_default()
    }

    pub(crate) fn facts(self) -> impl Iterator<Item = (&'a str, &'a [Term])> {
        self.content.facts.iter().map(move |Fact { predicate }| self.named(predicate))
    }

    pub(crate) fn checks(self) -> &'a [Check] {
        &self.content.checks
    }

    pub(crate) fn named(self, predicate: &'a Predicate) -> (&'a str, &'a [Term]) {
        (self.symbol(predicate.name), &predicate.terms)
    }

    pub(crate) fn text(self, term: &Term) -> Option<&'a str> {
        match term.content {
            Some(term::Content::String(id)) => Some(self.symbol(id)),
            _ => None,
        }
    }
}
