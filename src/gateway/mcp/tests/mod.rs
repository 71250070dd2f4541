//! What the client makes of servers that are not what they should be. Real ones are in `tests/it`.

mod calls;
mod fixture;
mod probes;
