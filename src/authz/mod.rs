//! Deciding: the facts Cedar is told, the names it knows things by, and how its answer is read.

pub mod facts;
pub mod uid;
pub mod verdict;
