//! `carrel admin`: accounts from the command line of the controller, also while the server runs.

use std::io::{IsTerminal, Read, Write};

use clap::Subcommand;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::password::LONGEST;
use super::users::PasswordSet;
use super::{Authority, Identity, NewAccount, Password, User};
use crate::error::{Context, Error, Fault, Message, Result};
use crate::operations::{Actor, audit};
use crate::settings::Settings;
use crate::store::Store;

/// What `carrel admin` can do.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Set a user's password, read from standard input; makes an administrator when there is no such user
    SetPassword { user: String },
    /// Make a user; the password is read from standard input
    Add {
        user: String,
        /// What the user may do: a built-in role or one made in the console; may be given several times
        #[arg(long, required = true)]
        role: Vec<String>,
    },
    /// List the users
    List,
    /// Switch a user off: sessions end, signing in is refused
    Disable { user: String },
    /// Switch a user on again
    Enable { user: String },
    /// Lift the lock that failed sign-ins put on a user and on addresses
    Unlock { user: String },
    /// Take the second factor off a user who lost the phone and the recovery codes
    RemoveSecondFactor { user: String },
}

/// Does it and says what was done.
pub fn run(settings: &Settings, command: AdminCommand) -> Result<Vec<Message>> {
    let makes = matches!(command, AdminCommand::SetPassword { .. } | AdminCommand::Add { .. });
    // Asked for before the store is opened: nothing is made when it does not come.
    let password = if makes { Some(read_password()?) } else { None };
    let store = if makes {
        Store::open(&settings.database())?
    } else {
        Store::open_existing(&settings.database())?
    };
    let admin = Admin { identity: Identity::new(store.clone(), settings), store };
    match (command, password) {
        (AdminCommand::List, _) => admin.list(),
        (AdminCommand::SetPassword { user }, Some(password)) => {
            let result = admin.identity.set_password(&user, &password);
            let set = admin.note("log-user-password", &user, result)?;
            let key = match set {
                PasswordSet::Made => Message::new("admin-made"),
                PasswordSet::Changed => Message::new("admin-password-set"),
            };
            Ok(vec![key.arg("name", user)])
        }
        (AdminCommand::Add { user, role }, Some(password)) => {
            let account = NewAccount { name: user.clone(), roles: role, ..NewAccount::default() };
            let result = admin.identity.add_user(Authority::System, account, Some(&password));
            admin.said("log-user-create", Message::new("admin-user-added"), &user, result)
        }
        (AdminCommand::Disable { user }, _) => {
            let result = admin.identity.set_enabled(Authority::System, &user, false);
            admin.said("log-user-disable", Message::new("admin-disabled"), &user, result)
        }
        (AdminCommand::Enable { user }, _) => {
            let result = admin.identity.set_enabled(Authority::System, &user, true);
            admin.said("log-user-enable", Message::new("admin-enabled"), &user, result)
        }
        (AdminCommand::Unlock { user }, _) => {
            let result = admin.identity.unlock(Authority::System, &user);
            admin.said("log-user-unlock", Message::new("admin-unlocked"), &user, result)
        }
        (AdminCommand::RemoveSecondFactor { user }, _) => {
            let found = admin.identity.user_named(&user);
            let remove =
                |found: User| admin.identity.remove_second_factor(Authority::System, found.id);
            let result = found.and_then(remove);
            let said = Message::new("admin-second-factor-removed");
            admin.said("log-user-second-factor", said, &user, result)
        }
        (_, None) => Err(Error::internal("a password was not read")),
    }
}

struct Admin {
    store: Store,
    identity: Identity,
}

impl Admin {
    fn said(
        &self,
        action: &str,
        message: Message,
        user: &str,
        result: Result<User>,
    ) -> Result<Vec<Message>> {
        let user = self.note(action, user, result)?;
        Ok(vec![message.arg("name", user.name)])
    }

    /// Every change is in the audit log, also one from here.
    fn note<T>(&self, action: &str, subject: &str, result: Result<T>) -> Result<T> {
        let fault = result.as_ref().err().map(Fault::from);
        let entry = audit::Entry { action, subject, module: "identity", fault: fault.as_ref() };
        let actor = Actor { name: "carrel admin".into(), ..Actor::system() };
        audit::write(&self.store, &actor, &entry)?;
        result
    }

    fn list(&self) -> Result<Vec<Message>> {
        let users = self.identity.users()?;
        if users.is_empty() {
            return Ok(vec![Message::new("admin-no-users")]);
        }
        let width = users.iter().map(|user| user.name.chars().count()).max().unwrap_or(0);
        Ok(users.iter().map(|user| line(user, width)).collect())
    }
}

fn line(user: &User, width: usize) -> Message {
    let message = match (user.enabled, user.last_login_at) {
        (false, _) => Message::new("admin-list-disabled"),
        (true, None) => Message::new("admin-list-unseen"),
        (true, Some(_)) => Message::new("admin-list-seen"),
    };
    let at = user.last_login_at.and_then(|at| Timestamp::from_second(at).ok());
    let at = at.map(|at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string());
    let message = message.arg("name", format_args!("{:width$}", user.name));
    message.arg("roles", user.roles.join(",")).arg("at", at.unwrap_or_default())
}

/// The first line of standard input. At a terminal it is asked for and not shown.
fn read_password() -> Result<Password> {
    let input = std::io::stdin();
    let silence = if input.is_terminal() { Some(Silence::begin()?) } else { None };
    let mut line = Zeroizing::new(Vec::new());
    // Up to the end of the line, whatever follows, and a little more than a password may have.
    for byte in input.lock().take(LONGEST as u64 + 2).bytes() {
        match byte.context("read the password from standard input")? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    drop(silence);
    let text = std::str::from_utf8(&line);
    let text = text.map_err(|cause| Error::bad_input("password-not-text").because(cause))?;
    match text.trim_end_matches('\r') {
        "" => Err(Error::bad_input("password-missing")),
        text => Ok(Password::new(text.to_owned())),
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence(nix::sys::termios::Termios);

impl Silence {
    fn begin() -> Result<Self> {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).context("ask the terminal")?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &quiet).context("silence the terminal")?;
        let silence = Self(before);
        let mut prompt = std::io::stderr();
        prompt.write_all(b"Password: ").and_then(|()| prompt.flush()).context("ask")?;
        Ok(silence)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        if let Err(cause) = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0) {
            tracing::warn!(%cause, "the terminal may not show what is typed");
        }
        eprintln!();
    }
}
