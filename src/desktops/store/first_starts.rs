//! First starts in their rows, and what they are to be: of groups and templates.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::json_uuids;
use crate::desktops::first_start::names::Nameable;
use crate::desktops::first_start::start::{FirstStart, Outcome, StartScript, Step};
use crate::desktops::first_start::steps::Plan;
use crate::error::{Error, Result};
use crate::node::protocol::Shell;
use crate::store::{NodeId, TemplateId, Topic, Tx, rows};

const COLUMNS: &str = "f.life, f.run, f.state, f.step, f.pid, f.restarts, f.began_at, f.step_at, f.ended_at, \
     f.host_name, f.exit_code, f.output, f.is_cut, f.fault";

/// `None` for a desktop that had none yet.
pub fn find(conn: &Connection, desktop: Uuid) -> Result<Option<FirstStart>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM first_starts f JOIN desktops d ON d.id = f.desktop_id WHERE d.uuid = ?1"
    );
    rows::first(conn, &sql, [desktop.to_string()], first_start)
}

/// What the first starts of these desktops are to be, and how far they are.
pub fn plans(conn: &Connection, desktops: &[Uuid]) -> Result<HashMap<Uuid, Plan>> {
    let sql = format!(
        "SELECT d.uuid, d.name, d.seat, g.name AS group_name, g.host_names, a.address, \
         t.first_start_shell, t.first_start_script, t.first_start_minutes, f.desktop_id, {COLUMNS} \
         FROM desktops d JOIN desktop_groups g ON g.id = d.group_id JOIN templates t ON t.id = g.template_id \
         LEFT JOIN addresses a ON a.owner = d.uuid LEFT JOIN first_starts f ON f.desktop_id = d.id \
         WHERE d.uuid IN (SELECT value FROM json_each(?1))"
    );
    let plan = |row: &Row<'_>| {
        let address: Option<u32> = row.get("address")?;
        let had: Option<i64> = row.get("desktop_id")?;
        let plan = Plan {
            desktop: Nameable {
                name: row.get("name")?,
                group: row.get("group_name")?,
                number: row.get("seat")?,
            },
            address: address.map(|number| Ipv4Addr::from(number).to_string()).unwrap_or_default(),
            host_names: row.get("host_names")?,
            script: script_of(row)?,
            row: had.map(|_| first_start(row)).transpose()?,
        };
        Ok((rows::uuid(row, "uuid")?, plan))
    };
    Ok(rows::all(conn, &sql, [json_uuids(desktops)?], plan)?.into_iter().collect())
}

fn first_start(row: &Row<'_>) -> Result<FirstStart> {
    Ok(FirstStart {
        life: row.get("life")?,
        run: row.get("run")?,
        state: rows::word(row, "state", Outcome::parse)?,
        step: rows::word(row, "step", Step::parse)?,
        pid: row.get("pid")?,
        restarts: row.get("restarts")?,
        began_at: row.get("began_at")?,
        step_at: row.get("step_at")?,
        ended_at: row.get("ended_at")?,
        host_name: row.get("host_name")?,
        exit_code: row.get("exit_code")?,
        output: row.get("output")?,
        is_cut: row.get("is_cut")?,
        fault: rows::json(row, "fault")?,
    })
}

/// Of a row of desktops.
pub fn outcome(row: &Row<'_>) -> Result<Option<Outcome>> {
    let had: Option<String> = row.get("first_start")?;
    Ok(had.map(|_| rows::word(row, "first_start", Outcome::parse)).transpose()?)
}

/// Where these desktops are.
pub fn nodes(conn: &Connection, desktops: &[Uuid]) -> Result<HashMap<Uuid, NodeId>> {
    let sql = "SELECT uuid, node_id FROM desktops WHERE uuid IN (SELECT value FROM json_each(?1))";
    let place = |row: &Row<'_>| Ok((rows::uuid(row, "uuid")?, row.get("node_id")?));
    Ok(rows::all(conn, sql, [json_uuids(desktops)?], place)?.into_iter().collect())
}

/// All desktops whose first start is under way, and where they are.
pub fn all_running(conn: &Connection) -> Result<Vec<(Uuid, NodeId)>> {
    let sql = "SELECT d.uuid, d.node_id FROM first_starts f JOIN desktops d ON d.id = f.desktop_id \
         WHERE f.state = 'running'";
    rows::all(conn, sql, [], |row| Ok((rows::uuid(row, "uuid")?, row.get("node_id")?)))
}

/// Those of these desktops whose first start is under way.
pub fn running(conn: &Connection, desktops: &[Uuid]) -> Result<HashSet<Uuid>> {
    let sql = "SELECT d.uuid FROM first_starts f JOIN desktops d ON d.id = f.desktop_id \
         WHERE f.state = 'running' AND d.uuid IN (SELECT value FROM json_each(?1))";
    let uuids = rows::all(conn, sql, [json_uuids(desktops)?], |row| Ok(rows::uuid(row, "uuid")?))?;
    Ok(uuids.into_iter().collect())
}

/// Of a desktop that was deleted meanwhile nothing is written.
pub fn write(tx: &Tx<'_>, starts: &[(Uuid, FirstStart)]) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "INSERT OR REPLACE INTO first_starts (desktop_id, life, run, state, step, pid, restarts, began_at, step_at, \
         ended_at, host_name, exit_code, output, is_cut, fault) \
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 FROM desktops WHERE uuid = ?1",
    )?;
    for (uuid, start) in starts {
        let fault = start.fault.as_ref().map(rows::to_json).transpose()?;
        let changed = statement.execute(params![
            uuid.to_string(),
            start.life,
            start.run,
            start.state.word(),
            start.step.word(),
            start.pid,
            start.restarts,
            start.began_at,
            start.step_at,
            start.ended_at,
            start.host_name,
            start.exit_code,
            start.output,
            start.is_cut,
            fault
        ])?;
        tx.changed_rows(changed, Topic::Desktops);
    }
    Ok(())
}

pub fn forget(tx: &Tx<'_>, desktops: &[Uuid]) -> Result<()> {
    let sql = "DELETE FROM first_starts WHERE desktop_id IN \
         (SELECT id FROM desktops WHERE uuid IN (SELECT value FROM json_each(?1)))";
    let changed = tx.execute(sql, [json_uuids(desktops)?])?;
    tx.changed_rows(changed, Topic::Desktops);
    Ok(())
}

pub fn host_names(conn: &Connection, group: Uuid) -> Result<String> {
    let sql = "SELECT host_names FROM desktop_groups WHERE uuid = ?1";
    let found = conn.prepare_cached(sql)?.query_row([group.to_string()], |row| row.get(0));
    Ok(found.optional()?.unwrap_or_default())
}

pub fn set_host_names(tx: &Tx<'_>, group: Uuid, pattern: &str) -> Result<()> {
    tx.changed(Topic::DesktopGroups);
    let sql = "UPDATE desktop_groups SET host_names = ?2 WHERE uuid = ?1";
    tx.execute(sql, params![group.to_string(), pattern])?;
    Ok(())
}

/// The desktops of a group, by their numbers.
pub fn nameable(conn: &Connection, group: Uuid) -> Result<Vec<Nameable>> {
    let sql = "SELECT d.name, d.seat, g.name AS group_name FROM desktops d \
         JOIN desktop_groups g ON g.id = d.group_id WHERE g.uuid = ?1 ORDER BY d.seat";
    rows::all(conn, sql, [group.to_string()], |row| {
        let (name, group, number) = (row.get("name")?, row.get("group_name")?, row.get("seat")?);
        Ok(Nameable { name, group, number })
    })
}

pub fn script(conn: &Connection, template: TemplateId) -> Result<StartScript> {
    let sql = "SELECT first_start_shell, first_start_script, first_start_minutes FROM templates WHERE id = ?1";
    let found = rows::first(conn, sql, [template], script_of)?;
    found.ok_or_else(|| Error::internal("a template without a row"))
}

pub fn set_script(tx: &Tx<'_>, template: TemplateId, script: &StartScript) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE templates SET first_start_shell = ?2, first_start_script = ?3, first_start_minutes = ?4 WHERE id = ?1",
        params![template, script.shell.word(), script.text, script.minutes],
    )?;
    Ok(())
}

/// A copy of a template has its script.
pub fn copy_script(tx: &Tx<'_>, from: TemplateId, to: TemplateId) -> Result<()> {
    set_script(tx, to, &script(tx, from)?)
}

fn script_of(row: &Row<'_>) -> Result<StartScript> {
    Ok(StartScript {
        shell: rows::word(row, "first_start_shell", Shell::parse)?,
        text: row.get("first_start_script")?,
        minutes: row.get("first_start_minutes")?,
    })
}
