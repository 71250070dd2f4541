//! The authorization server as clients and browsers meet it.

mod chromium;
mod codes;
mod flow;
mod pages;
mod peers;
mod registration;
mod requests;
