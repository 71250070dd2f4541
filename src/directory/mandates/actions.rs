//! Looking at mandates: every one there ever was, out of the store.

use std::sync::Arc;

use uuid::Uuid;

use super::{Mandate, columns};
use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Candidates, Listing, World};
use crate::store::Value;

/// How many are looked through for one page.
const SCANNED_MAX: i64 = 500;

#[derive(Debug)]
pub struct ShowMandate(pub Uuid);

impl Action for ShowMandate {
    const NAME: &'static str = "view_mandate";
    const EVENT: &'static str = "mandate.show";
    type Resource = Arc<Mandate>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Mandate>>> {
        world.directory.find_mandate(self.0).await
    }

    fn particulars(&self, _: &Arc<Mandate>) -> Particulars {
        Particulars::Token
    }
}

/// The mandates that a user gave, newest first, as far as the caller may see them.
#[derive(Debug)]
pub struct ListMandates {
    pub user: Uuid,
    pub after: Option<Uuid>,
    pub page_size: usize,
}

impl Listing for ListMandates {
    const NAME: &'static str = "view_mandate";
    const EVENT: &'static str = "mandate.list";
    type Item = Arc<Mandate>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<Mandate>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM mandates WHERE user_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3"
        );
        let after = self.after.map(|it| it.to_string()).unwrap_or_default();
        let params = vec![self.user.into(), Value::Text(after), SCANNED_MAX.into()];
        let rows = world.directory.db.query(SQL, params).await?;
        let items = rows.iter().map(|row| Mandate::from_row(row).map(Arc::new));
        Ok(Candidates {
            items: items.collect::<Result<_>>()?,
            more: rows.len() as i64 == SCANNED_MAX,
        })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Token
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &Arc<Mandate>) -> String {
        item.id.to_string()
    }
}
