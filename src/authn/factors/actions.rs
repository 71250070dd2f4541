//! What people may do about their own second factors.

use uuid::Uuid;

use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::{Action, TheRegistry, World};

macro_rules! on_factors {
    ($name:ty, $action:literal, $event:literal) => {
        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = TheRegistry;

            async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
                Ok(Some(TheRegistry))
            }

            fn particulars(&self, _: &Self::Resource) -> Particulars {
                Particulars::Token
            }
        }
    };
}

/// Seeing one's own.
#[derive(Debug)]
pub struct ListFactors;

/// Every step of enrolling the first one.
#[derive(Debug)]
pub struct EnrollFactor;

/// Every step of enrolling another, beside one that is active.
#[derive(Debug)]
pub struct AddFactor;

/// Removing one, by its id.
#[derive(Debug)]
pub struct RemoveFactor(pub Uuid);

/// Having new recovery codes, which end the old ones.
#[derive(Debug)]
pub struct RenewRecovery;

on_factors!(ListFactors, "view_self", "factor.list");
on_factors!(EnrollFactor, "enroll_factor", "factor.enroll");
on_factors!(AddFactor, "add_factor", "factor.enroll");
on_factors!(RemoveFactor, "remove_factor", "factor.remove");
on_factors!(RenewRecovery, "remove_factor", "factor.recovery_codes");
