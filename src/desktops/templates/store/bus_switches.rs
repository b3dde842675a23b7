//! Rows of the templates whose machines go over to another disk bus.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::template;
use crate::desktops::templates::bus_switch::state::{BusSwitch, Phase};
use crate::desktops::templates::template::Template;
use crate::error::Result;
use crate::node::protocol::DiskBus;
use crate::store::{NodeId, TemplateId, Topic, Tx, rows};

const COLUMNS: &str = "b.template_id, b.phase, b.from_bus, b.to_bus, b.deadline";

pub fn bus_switch(conn: &Connection, template: TemplateId) -> Result<Option<BusSwitch>> {
    let sql = format!("SELECT {COLUMNS} FROM bus_switches b WHERE b.template_id = ?1");
    rows::first(conn, &sql, [template], read)
}

/// Of all templates whose ids these are: `(1,2,3)`.
pub fn bus_switches_of(conn: &Connection, ids: &str) -> Result<HashMap<TemplateId, BusSwitch>> {
    let mut statement = conn
        .prepare(&format!("SELECT {COLUMNS} FROM bus_switches b WHERE b.template_id IN {ids}"))?;
    let mut found = statement.query([])?;
    let mut switches = HashMap::new();
    while let Some(row) = found.next()? {
        switches.insert(row.get("template_id")?, read(row)?);
    }
    Ok(switches)
}

/// Those of a node, with their templates.
pub fn bus_switches_on(conn: &Connection, node: NodeId) -> Result<Vec<(Template, BusSwitch)>> {
    let sql = format!(
        "SELECT {}, {COLUMNS} FROM bus_switches b JOIN templates t ON t.id = b.template_id \
         WHERE t.node_id = ?1 ORDER BY t.id",
        super::COLUMNS
    );
    rows::all(conn, &sql, [node], |row| Ok((template(row)?, read(row)?)))
}

pub fn insert_bus_switch(tx: &Tx<'_>, template: TemplateId, switch: &BusSwitch) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "INSERT INTO bus_switches (template_id, phase, from_bus, to_bus, deadline) \
         VALUES (?1,?2,?3,?4,?5)",
        params![
            template,
            switch.phase.word(),
            switch.from.word(),
            switch.to.word(),
            switch.deadline
        ],
    )?;
    Ok(())
}

pub fn set_bus_switch_phase(
    tx: &Tx<'_>,
    template: TemplateId,
    phase: Phase,
    deadline: i64,
) -> Result<()> {
    tx.changed(Topic::Templates);
    tx.execute(
        "UPDATE bus_switches SET phase = ?2, deadline = ?3 WHERE template_id = ?1",
        params![template, phase.word(), deadline],
    )?;
    Ok(())
}

/// Whether there was one.
pub fn delete_bus_switch(tx: &Tx<'_>, template: TemplateId) -> Result<bool> {
    tx.changed(Topic::Templates);
    let gone = tx.execute("DELETE FROM bus_switches WHERE template_id = ?1", [template])?;
    Ok(gone > 0)
}

fn read(row: &Row<'_>) -> Result<BusSwitch> {
    Ok(BusSwitch {
        phase: rows::word(row, "phase", Phase::parse)?,
        from: rows::word(row, "from_bus", DiskBus::parse)?,
        to: rows::word(row, "to_bus", DiskBus::parse)?,
        deadline: row.get("deadline")?,
    })
}
