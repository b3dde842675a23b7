//! Rows of e-mail addresses to be confirmed, and of mails about it that are still to be sent.

use rusqlite::{Connection, OptionalExtension, params};

use super::users;
use crate::error::Result;
use crate::store::{Tx, UserId};

/// A mail is to be sent to a new account.
pub fn queue(tx: &Tx<'_>, user: UserId, language: &str) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO mail_outbox (user_id, language) VALUES (?1,?2)";
    tx.execute(sql, params![user, language])?;
    Ok(())
}

/// The language of the mail that is to be sent.
pub fn queued(conn: &Connection, user: UserId) -> Result<Option<String>> {
    let sql = "SELECT language FROM mail_outbox WHERE user_id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([user], |row| row.get(0)).optional()?)
}

/// Users whose mail is still to be sent.
pub fn all_queued(conn: &Connection) -> Result<Vec<UserId>> {
    let mut statement = conn.prepare_cached("SELECT user_id FROM mail_outbox ORDER BY user_id")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub fn unqueue(tx: &Tx<'_>, user: UserId) -> Result<()> {
    tx.execute("DELETE FROM mail_outbox WHERE user_id = ?1", [user])?;
    Ok(())
}

/// The one link of a user that is good; any older one is not any more.
pub fn insert(tx: &Tx<'_>, hash: &[u8], user: UserId, email: &str, expires_at: i64) -> Result<()> {
    forget(tx, user)?;
    let sql = "INSERT INTO mail_confirmations (token_hash, user_id, email, expires_at) \
               VALUES (?1,?2,?3,?4)";
    tx.execute(sql, params![hash, user, email, expires_at])?;
    Ok(())
}

/// User and address that a link is for.
pub fn find(conn: &Connection, hash: &[u8], now: i64) -> Result<Option<(UserId, String)>> {
    let sql = "SELECT user_id, email FROM mail_confirmations \
               WHERE token_hash = ?1 AND expires_at > ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let row = statement.query_row(params![hash, now], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

pub fn forget(tx: &Tx<'_>, user: UserId) -> Result<()> {
    tx.execute("DELETE FROM mail_confirmations WHERE user_id = ?1", [user])?;
    Ok(())
}

/// Deletes accounts that wait for a link which is good no more: name and address are free again.
pub fn purge(tx: &Tx<'_>, now: i64) -> Result<()> {
    let forgotten = tx.execute(
        "DELETE FROM users WHERE awaits = 'mail' \
         AND NOT EXISTS (SELECT 1 FROM mail_outbox o WHERE o.user_id = users.id) \
         AND NOT EXISTS (SELECT 1 FROM mail_confirmations c \
                         WHERE c.user_id = users.id AND c.expires_at > ?1)",
        [now],
    )?;
    if forgotten > 0 {
        tx.changed(users::GONE);
    }
    tx.execute("DELETE FROM mail_confirmations WHERE expires_at <= ?1", [now])?;
    Ok(())
}
