//! What is reserved comes back: after a crash, from calls that never left, for answers that are
//! only repeated.

use std::time::{Duration, Instant};

use gatewright::clock::Clock;
use gatewright::store::{self, Statement};
use serde_json::json;

use super::{Scene, call, limited, refused};
use crate::harness::stores::{batch, group};
use crate::harness::{Caller, wire_closed};

const REASON: &str = "history.limit";
const TIME_MAX: Duration = Duration::from_secs(8);
