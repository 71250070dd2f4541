//! People.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entity, RestrictedExpression};
use secrecy::SecretString;
use uuid::Uuid;

use super::principal::parents;
use super::provenance::{Gift, Giver, Provenance};
use super::snapshot::key;
use super::{
    Directory, GrantUserRole, Groups, Lifecycle, ResumeUser, RevokeUserRole, Roles, SuspendUser,
};
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Action, Permit, TheRegistry, Warrant, World};
use crate::store::{Database, Row, Statement};
use crate::{Error, Result};
use crate::{authn, credentials};

/// What stands for the hash of those who sign in elsewhere: no password has it.
const NO_PASSWORD: &str = "";

#[derive(Debug)]
pub struct User {
    pub id: Uuid,
    pub username: String,
    pub state: Lifecycle,
    pub roles: Roles,
    pub groups: Groups,
    /// Goes up by one with every change.
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub(super) provenance: Provenance,
    pub(super) entity: Entity,
}

/// A person who is to be registered.
#[derive(Debug)]
pub struct NewUser {
    pub username: String,
    pub password: SecretString,
    pub roles: Roles,
}

/// Registration with the one role that the newcomer starts with.
#[derive(Debug)]
pub struct RegisterUser {
    pub new: NewUser,
    role: String,
}

impl RegisterUser {
    pub fn new(new: NewUser, role: String) -> RegisterUser {
        RegisterUser { new: NewUser { roles: [role.clone()].into(), ..new }, role }
    }
}

impl Action for RegisterUser {
    const NAME: &'static str = "register_user";
    const EVENT: &'static str = "user.create";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Role { role: self.role.clone(), approval: None }
    }
}

impl Directory {
    /// Takes the password's hash (Argon2id, PHC string).
    pub async fn register_user(
        &self,
        permit: Permit<RegisterUser>,
        password_hash: String,
    ) -> Result<Arc<User>> {
        let (caller, action, _, warrant) = permit.spend();
        let user = self.new_user(&action.new, Giver::of(caller.principal()))?;
        self.insert_user(&warrant, user, password_hash, Vec::new()).await
    }

    /// Registers somebody who registers themselves, in one commit with what `also` adds for them.
    pub async fn register_self(
        &self,
        permit: Permit<RegisterUser>,
        password_hash: String,
        also: impl FnOnce(&User) -> Result<Vec<Statement>>,
    ) -> Result<Arc<User>> {
        let (caller, action, _, warrant) = permit.spend();
        let user = self.new_user(&action.new, Giver::of(caller.principal()))?;
        let also = also(&user)?;
        self.insert_user(&warrant, user, password_hash, also).await
    }

    /// Registers somebody who signs in elsewhere, and here by no password, in one commit with
    /// what `also` adds for them.
    pub async fn register_elsewhere(
        &self,
        permit: Permit<RegisterUser>,
        also: impl FnOnce(&User) -> Result<Vec<Statement>>,
    ) -> Result<Arc<User>> {
        self.register_self(permit, NO_PASSWORD.to_owned(), also).await
    }

    /// Makes somebody a member of these groups and of no others.
    pub async fn regroup_user(
        &self,
        warrant: &Warrant,
        user: &User,
        groups: Groups,
    ) -> Result<Arc<User>> {
        warrant.note("user", user.id.to_string());
        warrant.note("groups", names_json(&groups));
        self.change_user(warrant, user, |it| it.groups = groups).await
    }

    /// Somebody who is registered once [`Directory::insert_user`] says so, and by whom.
    pub fn new_user(&self, new: &NewUser, by: Giver) -> Result<User> {
        let gift = self.snapshot().gift(by, self.clock.micros());
        User::new(self.clock.new_id(), new, &gift)
    }

    /// Also for the first administrator, whom nobody can register.
    pub async fn insert_user(
        &self,
        warrant: &Warrant,
        user: User,
        password_hash: String,
        also: Vec<Statement>,
    ) -> Result<Arc<User>> {
        if self.snapshot().user_named(&user.username).is_some() {
            return Err(taken(&user.username));
        }
        warrant.note("user", user.id.to_string());
        warrant.note("username", user.username.as_str());
        let insert = Statement::new(
            "INSERT INTO users (id, username, username_key, password_hash, state, roles,
                                revision, created_at, updated_at, origin)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(user.id)
        .bind(user.username.as_str())
        .bind(key(&user.username))
        .bind(password_hash)
        .bind(user.state.as_str())
        .bind(names_json(&user.roles))
        .bind(user.revision)
        .bind(user.created_at)
        .bind(user.updated_at)
        .bind(origin_json(&user)?);
        let statements = std::iter::once(insert).chain(also).collect();
        self.ledger.commit(warrant, statements).await.map_err(|error| match error {
            Error::Conflict(_) => taken(&user.username),
            other => other,
        })?;
        let user = Arc::new(user);
        self.publish(|it| it.put_user(user.clone()));
        Ok(user)
    }

    pub async fn suspend_user(&self, permit: Permit<SuspendUser>) -> Result<Arc<User>> {
        let (_, _, user, warrant) = permit.spend();
        self.change_user(&warrant, &user, |it| it.state = Lifecycle::Suspended).await
    }

    pub async fn resume_user(&self, permit: Permit<ResumeUser>) -> Result<Arc<User>> {
        let (_, _, user, warrant) = permit.spend();
        self.change_user(&warrant, &user, |it| it.state = Lifecycle::Active).await
    }

    pub async fn grant_user_role(&self, permit: Permit<GrantUserRole>) -> Result<Arc<User>> {
        let (caller, GrantUserRole(change), user, warrant) = permit.spend();
        change.insist(user.revision)?;
        warrant.note("role", change.role.as_str());
        let gift = self.snapshot().gift(Giver::of(caller.principal()), self.clock.micros());
        self.change_user(&warrant, &user, |it| {
            // Who has it already has it from whom they have it.
            if !it.roles.contains(&change.role) {
                it.provenance.given(&change.role, gift);
            }
            change.grant_to(&mut it.roles);
        })
        .await
    }

    pub async fn revoke_user_role(&self, permit: Permit<RevokeUserRole>) -> Result<Arc<User>> {
        let (_, RevokeUserRole(change), user, warrant) = permit.spend();
        change.insist(user.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_user(&warrant, &user, |it| {
            change.take_from(&mut it.roles);
        })
        .await
    }

    async fn change_user(
        &self,
        warrant: &Warrant,
        user: &User,
        change: impl FnOnce(&mut User),
    ) -> Result<Arc<User>> {
        let mut next = User {
            username: user.username.clone(),
            roles: user.roles.clone(),
            groups: user.groups.clone(),
            provenance: user.provenance.clone(),
            entity: user.entity.clone(),
            ..*user
        };
        change(&mut next);
        next.revision += 1;
        next.updated_at = self.clock.micros();
        let next = next.sealed(&user.id.to_string())?;
        let update = Statement::new(
            "UPDATE users SET state = $3, roles = $4, groups = $5, revision = $6, updated_at = $7,
                    origin = $8
             WHERE id = $1 AND revision = $2",
        )
        .bind(user.id)
        .bind(user.revision)
        .bind(next.state.as_str())
        .bind(names_json(&next.roles))
        .bind(names_json(&next.groups))
        .bind(next.revision)
        .bind(next.updated_at)
        .bind(origin_json(&next)?)
        .expect_rows(1);
        let mut statements = vec![update];
        if next.state == Lifecycle::Suspended {
            statements.extend(credentials::of_principal(next.id, next.updated_at));
        } else if user.state == Lifecycle::Suspended {
            statements.push(authn::ends_sessions_of(next.id, next.updated_at));
        }
        self.ledger.commit(warrant, statements).await?;
        let next = Arc::new(next);
        self.publish(|it| it.put_user(next.clone()));
        Ok(next)
    }

    /// The stored hash of a user's password: what a sign-in is checked against. None for those who
    /// have none.
    pub async fn password_hash(&self, user: Uuid) -> Result<Option<SecretString>> {
        let rows = self
            .db
            .query("SELECT password_hash FROM users WHERE id = $1", vec![user.into()])
            .await?;
        let hash = rows.first().map(|it| it.text(0)).transpose()?;
        Ok(hash.filter(|it| *it != NO_PASSWORD).map(Into::into))
    }
}

impl User {
    fn new(id: Uuid, new: &NewUser, gift: &Gift) -> Result<User> {
        User {
            id,
            username: new.username.clone(),
            state: Lifecycle::Active,
            roles: new.roles.clone(),
            groups: Groups::new(),
            revision: 1,
            created_at: gift.at,
            updated_at: gift.at,
            provenance: Provenance::made(gift, new.roles.iter()),
            entity: Entity::with_uid(uid(Kind::User, "")),
        }
        .sealed(&id.to_string())
    }

    /// A user whom no table holds.
    pub(super) fn synthetic(id: Uuid, name: &str, roles: Roles, groups: Groups) -> Result<User> {
        User {
            id,
            username: name.to_owned(),
            state: Lifecycle::Active,
            roles,
            groups,
            revision: 1,
            created_at: 0,
            updated_at: 0,
            provenance: Provenance::default(),
            entity: Entity::with_uid(uid(Kind::User, "")),
        }
        .sealed(name)
    }

    /// Makes the entity fit the attributes.
    fn sealed(mut self, id: &str) -> Result<User> {
        let state = uid(Kind::Lifecycle, self.state.as_str());
        let attributes =
            HashMap::from([("state".to_owned(), RestrictedExpression::new_entity_uid(state))]);
        self.entity =
            Entity::new(uid(Kind::User, id), attributes, parents(&self.roles, &self.groups))
                .map_err(anyhow::Error::from)?;
        Ok(self)
    }

    pub(super) fn from_row(row: &Row) -> Result<User> {
        let id = row.uuid(0)?;
        User {
            id,
            username: row.text(1)?.to_owned(),
            state: Lifecycle::parse(row.text(2)?),
            roles: row.json(3)?,
            revision: row.int(4)?,
            created_at: row.int(5)?,
            updated_at: row.int(6)?,
            groups: row.json(7)?,
            provenance: row.json(8)?,
            entity: Entity::with_uid(uid(Kind::User, "")),
        }
        .sealed(&id.to_string())
    }
}

pub(super) async fn all(db: &dyn Database) -> Result<Vec<User>> {
    let rows = db
        .query(
            "SELECT id, username, state, roles, revision, created_at, updated_at, groups,
                    origin FROM users",
            vec![],
        )
        .await?;
    rows.iter().map(User::from_row).collect()
}

pub(super) fn names_json(names: &Roles) -> String {
    serde_json::Value::from_iter(names.iter().map(String::as_str)).to_string()
}

fn origin_json(user: &User) -> Result<String> {
    Ok(serde_json::to_string(&user.provenance).map_err(anyhow::Error::from)?)
}

fn taken(username: &str) -> Error {
    Error::Conflict(format!("the username `{username}` is taken").into())
}
