//! Makes accounts of a list of people: checked as a whole before, then made one by one by an operation.
//!
//! A hash of a password costs a processor a while, so that a year's 2,000 people take minutes. Until their turn they
//! lie sealed in the store; one hash is computed at a time, so that the other place is left to those who sign in.

mod sheet;

use std::collections::HashMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::groups::GroupMembership;
use super::password::Password;
use super::store::{groups, imports};
use super::token::random_bytes;
use super::users::{NewAccount, insert};
use super::{Authority, Identity, Policy};
use crate::error::{Context, Error, Fault, Kind, Result};
use crate::operations::{
    Action, Actor, Execution, Lane, NewOperation, Operations, Saga, SubmittedOperation, Unit,
    nothing,
};
use crate::store::{Tx, UserGroupId};

pub use sheet::Column;
use sheet::Row;

const KIND: &str = "users-import";
/// Letters and digits that are not taken for one another when somebody reads them out.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Four groups of four letters: about 92 bits.
const GROUPS: usize = 4;
const GROUP_LENGTH: usize = 4;

/// What holds for all people of a list.
#[derive(Debug)]
pub struct ImportOptions {
    /// Codes of roles for those whose line names none.
    pub roles: Vec<String>,
    /// Makes up a password for those whose line has none; else they cannot sign in by password.
    pub make_passwords: bool,
    /// A new password has to be chosen at the first sign-in.
    pub force_reset: bool,
}

/// Somebody in a list, and what is wrong with their line.
#[derive(Debug)]
pub struct Checked {
    pub line: u64,
    pub name: String,
    pub full_name: String,
    pub email: String,
    pub department: String,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub has_password: bool,
    pub faults: Vec<(Option<Column>, Error)>,
}

/// A password that was made up, to be handed over. It is kept nowhere.
pub struct HandedPassword {
    pub name: String,
    pub full_name: String,
    pub password: Password,
}

/// An import that has begun.
pub struct Import {
    pub operation: SubmittedOperation,
    /// How many people are made.
    pub count: usize,
    /// Theirs.
    pub names: Vec<String>,
    pub passwords: Vec<HandedPassword>,
}

/// Who is to be made, as they lie sealed in the store.
#[derive(Serialize, Deserialize)]
struct Person {
    uuid: Uuid,
    name: String,
    email: Option<String>,
    full_name: String,
    phone: String,
    department: String,
    roles: Vec<String>,
    groups: Vec<UserGroupId>,
    force_reset: bool,
    #[serde(with = "wiped")]
    password: Option<Zeroizing<String>>,
}

/// A text that is wiped from memory after use.
mod wiped {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use zeroize::Zeroizing;

    type Text = Option<Zeroizing<String>>;

    pub fn serialize<S: Serializer>(text: &Text, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_ref().map(|text| text.as_str()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ImportArgs {
    import: Uuid,
    count: u64,
}

/// What is made stays: a cancel only stops.
static STEPS: [Action<Identity, ImportArgs>; 2] =
    [Action::new("begin", nothing, forget).commits(), Action::new("users", make_all, nothing)];

/// Makes the operation known.
pub fn register(identity: &Identity, operations: &Operations) {
    let saga = Saga::new(Lane::Build, identity.clone(), &STEPS).counting(Unit::Items);
    operations.register(KIND, saga);
}

impl Identity {
    /// What would become of a list. Changes nothing.
    ///
    /// # Errors
    /// Of the file as a whole: see [`sheet::read`]. What is wrong with a line stands in its faults.
    pub fn check_import(
        &self,
        by: Authority<'_>,
        content: &[u8],
        options: &ImportOptions,
    ) -> Result<Vec<Checked>> {
        Ok(self
            .looked_through(by, content, options)?
            .into_iter()
            .map(|(checked, _)| checked)
            .collect())
    }

    /// Makes the people of a list. With `skip_wrong` those whose lines are wrong are left out.
    ///
    /// # Errors
    /// As of [`Identity::check_import`], `import-lines-wrong`, `import-nobody`
    pub fn import_users(
        &self,
        operations: &Operations,
        (actor, by): (&Actor, Authority<'_>),
        content: &[u8],
        options: &ImportOptions,
        skip_wrong: bool,
    ) -> Result<Import> {
        let (good, wrong): (Vec<_>, Vec<_>) = self
            .looked_through(by, content, options)?
            .into_iter()
            .partition(|(checked, _)| checked.faults.is_empty());
        if let (Some((first, _)), false) = (wrong.first(), skip_wrong) {
            let error = Error::bad_input("import-lines-wrong").arg("field", "content");
            return Err(error.arg("count", wrong.len()).arg("line", first.line));
        }
        if good.is_empty() {
            return Err(Error::bad_input("import-nobody").arg("field", "content"));
        }
        let (import, count) = (Uuid::new_v4(), good.len());
        let names = good.iter().map(|(checked, _)| checked.name.clone()).collect();
        let mut passwords = Vec::new();
        let mut waiting = Vec::new();
        for (checked, mut person) in good {
            if options.make_passwords && person.password.is_none() {
                let made = made_password()?;
                passwords.push(HandedPassword {
                    name: person.name.clone(),
                    full_name: person.full_name.clone(),
                    password: Password::new(made.to_string()),
                });
                person.password = Some(made);
            }
            // Whoever has no password to sign in with has none to change.
            person.force_reset = options.force_reset && person.password.is_some();
            waiting.push(self.sealed(import, checked.line, &person)?);
        }
        let operation = operations.submit(actor, |tx| {
            imports::insert(tx, import, &waiting)?;
            let args = ImportArgs { import, count: count as u64 };
            let new = NewOperation::new(KIND, &args, import, &count.to_string())?;
            Ok(new.counting_to(count as u64))
        })?;
        Ok(Import { operation, count, names, passwords })
    }

    /// Each line with who it is, tried out as it would be made and taken back: also two lines of one name are found.
    fn looked_through(
        &self,
        by: Authority<'_>,
        content: &[u8],
        options: &ImportOptions,
    ) -> Result<Vec<(Checked, Person)>> {
        let policy = self.policy()?;
        let known = self.store.read(known_groups)?;
        // Rating passwords takes its time: before everybody else who writes has to wait.
        let rows = sheet::read(content)?;
        let mut found: Vec<(Checked, Person)> =
            rows.iter().map(|row| read_line(row, &known, &policy, options)).collect();
        let mut is_tried = false;
        let tried = self.store.write(|tx| {
            for (checked, person) in &mut found {
                if let Some(fault) = try_out(tx, by, person)? {
                    checked.faults.push((column_of(&fault), fault));
                }
            }
            is_tried = true;
            // Nothing of it stays.
            Err::<(), _>(Error::new(Kind::Cancelled, "cancelled"))
        });
        match tried {
            Err(error) if !is_tried => Err(error),
            _ => Ok(found),
        }
    }

    fn sealed(&self, import: Uuid, line: u64, person: &Person) -> Result<imports::Waiting> {
        let text = serde_json::to_vec(person).context("write down a person")?;
        let sealed = self.vault.seal(&purpose(import, line), &Zeroizing::new(text))?;
        Ok(imports::Waiting { line, sealed })
    }

    fn opened(&self, import: Uuid, waiting: &imports::Waiting) -> Result<Person> {
        let text = self.vault.open(&purpose(import, waiting.line), &waiting.sealed)?;
        serde_json::from_slice(&text).context("read a person")
    }

    /// Makes one of them, or says why not; either way they wait no longer.
    fn make_one(
        &self,
        import: Uuid,
        waiting: &imports::Waiting,
        execution: &Execution,
    ) -> Result<()> {
        let person = self.opened(import, waiting)?;
        let password = person.password.as_ref().map(|text| Password::new(text.to_string()));
        let hash = password.map(|password| self.hashing.hash_patiently(&password)).transpose()?;
        let made = self.store.write(|tx| {
            imports::delete(tx, import, waiting.line)?;
            insert(tx, Authority::System, account(&person), hash).map(drop)
        });
        if let Err(fault) = made {
            if fault.kind() == Kind::Internal {
                return Err(fault);
            }
            self.store.write(|tx| imports::delete(tx, import, waiting.line))?;
            execution.item(person.uuid, &person.name, Err(Fault::from(fault)));
            return Ok(());
        }
        execution.item(person.uuid, &person.name, Ok(()));
        Ok(())
    }
}

fn make_all(identity: &Identity, args: &ImportArgs, execution: &Execution) -> Result<()> {
    while let Some((waiting, left)) =
        identity.store.read(|conn| imports::next(conn, args.import))?
    {
        execution.progress(args.count.saturating_sub(left), args.count);
        let made = || identity.make_one(args.import, &waiting, execution);
        if let Err(stopped) = execution.check_cancelled().and_then(|()| made()) {
            identity.store.write(|tx| imports::forget(tx, args.import))?;
            return Err(stopped);
        }
    }
    execution.progress(args.count, args.count);
    Ok(())
}

/// Of one that was cancelled before it began, nobody waits any more.
fn forget(identity: &Identity, args: &ImportArgs, _: &Execution) -> Result<()> {
    identity.store.write(|tx| imports::forget(tx, args.import))
}

fn purpose(import: Uuid, line: u64) -> String {
    format!("import {import} line {line}")
}

fn account(person: &Person) -> NewAccount {
    let membership = |(place, group_id): (usize, &UserGroupId)| GroupMembership {
        group_id: *group_id,
        name: String::new(),
        // The first that a line names.
        is_primary: place == 0,
    };
    NewAccount {
        name: person.name.clone(),
        email: person.email.clone(),
        full_name: person.full_name.clone(),
        phone: person.phone.clone(),
        department: person.department.clone(),
        force_reset: person.force_reset,
        roles: person.roles.clone(),
        groups: person.groups.iter().enumerate().map(membership).collect(),
        ..NewAccount::default()
    }
}

fn person(row: &Row, options: &ImportOptions) -> Person {
    let text = |column| row.cell(column).to_owned();
    let some = |column| Some(text(column)).filter(|text: &String| !text.is_empty());
    let mut roles = row.several(Column::Roles);
    if roles.is_empty() {
        roles.clone_from(&options.roles);
    }
    Person {
        uuid: Uuid::new_v4(),
        name: text(Column::Name),
        email: some(Column::Email),
        full_name: text(Column::FullName),
        phone: text(Column::Phone),
        department: text(Column::Department),
        roles,
        groups: Vec::new(),
        force_reset: options.force_reset,
        password: some(Column::Password).map(Zeroizing::new),
    }
}

fn checked(row: &Row, person: &Person) -> Checked {
    Checked {
        line: row.line,
        name: person.name.clone(),
        full_name: person.full_name.clone(),
        email: person.email.clone().unwrap_or_default(),
        department: person.department.clone(),
        roles: person.roles.clone(),
        groups: row.several(Column::Groups),
        has_password: person.password.is_some(),
        faults: Vec::new(),
    }
}

/// Who stands in a line, and what is wrong with them that can be seen without trying.
fn read_line(
    row: &Row,
    known: &HashMap<String, UserGroupId>,
    policy: &Policy,
    options: &ImportOptions,
) -> (Checked, Person) {
    let mut person = person(row, options);
    let mut checked = checked(row, &person);
    if row.is_too_long {
        checked.faults.push((None, Error::bad_input("csv-line-too-long")));
    }
    join(known, row, &mut person, &mut checked);
    let about = [person.name.as_str(), person.email.as_deref().unwrap_or_default()];
    let password = person.password.as_ref().map(|text| Password::new(text.to_string()));
    if let Some(Err(fault)) = password.map(|password| password.accept(policy, &about)) {
        checked.faults.push((Some(Column::Password), fault));
    }
    (checked, person)
}

fn known_groups(conn: &Connection) -> Result<HashMap<String, UserGroupId>> {
    Ok(groups::names(conn)?.into_iter().collect())
}

/// Looks up the groups that a line names.
fn join(
    known: &HashMap<String, UserGroupId>,
    row: &Row,
    person: &mut Person,
    checked: &mut Checked,
) {
    for name in row.several(Column::Groups) {
        match known.get(&name) {
            Some(group) => person.groups.push(*group),
            None => {
                let fault = Error::not_found("user-group-unknown").arg("name", name);
                checked.faults.push((Some(Column::Groups), fault));
            }
        }
    }
}

/// Makes somebody without a password and, when that fails, takes it back; those of earlier lines stay for now.
fn try_out(tx: &Tx<'_>, by: Authority<'_>, person: &Person) -> Result<Option<Error>> {
    tx.execute_batch("SAVEPOINT person")?;
    match insert(tx, by, account(person), None) {
        Ok(_) => {
            tx.execute_batch("RELEASE person")?;
            Ok(None)
        }
        Err(fault) if fault.kind() == Kind::Internal => Err(fault),
        Err(fault) => {
            tx.execute_batch("ROLLBACK TO person; RELEASE person")?;
            Ok(Some(fault))
        }
    }
}

/// The column that a refusal is about.
fn column_of(fault: &Error) -> Option<Column> {
    let field = fault.args().find(|(name, _)| *name == "field").map(|(_, value)| value);
    match (fault.key(), field) {
        (_, Some("username")) => Some(Column::Name),
        ("role-unknown" | "grant-beyond-own", _) => Some(Column::Roles),
        (_, Some(field)) => Column::ALL.into_iter().find(|column| column.word() == field),
        _ => None,
    }
}

fn made_password() -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    // Bytes beyond the last whole multiple would favour the first letters.
    let fair = ALPHABET.len() * (256 / ALPHABET.len());
    let mut letters = 0;
    while letters < GROUPS * GROUP_LENGTH {
        let fitting = random_bytes()?.into_iter().filter(|byte| usize::from(*byte) < fair);
        for byte in fitting.take(GROUPS * GROUP_LENGTH - letters) {
            if letters > 0 && letters % GROUP_LENGTH == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            letters += 1;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_passwords_are_easy_to_type_and_never_the_same() {
        let (one, other) = (made_password().expect("one"), made_password().expect("other"));
        assert_ne!(one, other);
        let groups: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(groups, [GROUP_LENGTH; GROUPS], "{}", *one);
    }
}
