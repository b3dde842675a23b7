//! Makes desktops: a group with all of its, or more of them for a group.
//!
//! Rows and addresses are written with the operation in one transaction, in stage `creating`. Then every node is told
//! the reservations and the domains, one call each. A node that fails undoes no other: the group holds what was made,
//! the rows and addresses of what was not are given back, and the operation's items say which and why. What such a
//! node has of them nevertheless belongs to nobody and is removed by the reconciler. If all nodes fail, or somebody
//! cancels, everything is taken away again.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::first_start::asks::check_host_names;
use super::group::{DesktopGroup, GroupKind, Stage, desktop_name, template_obstacle};
use super::reach::Reach;
use super::spec::Restore;
use super::spread::{self, Room, Share};
use super::store::groups::NewGroup;
use super::store::seats::NewSeat;
use super::store::{groups, seats};
use super::templates::{self, Classify, MEMORY_LEAST, Template, TemplateState, VCPU_LIMIT};
use super::{Desktops, Named, power};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::inventory::{FIRST_CONNECTION, Node, Pool};
use crate::operations::{
    Action, Actor, Execution, Lane, Lock, NewOperation, Saga, SubmittedOperation, Unit, nothing,
};
use crate::store::text::lookalike;
use crate::store::visible::Visible;
use crate::store::{PoolId, SubnetId, Tx};

/// Desktops made by one request; a class room has dozens.
pub const AT_ONCE: u32 = 1_000;
/// Digits of a desktop's number.
pub const DIGITS: u32 = 6;

const CREATE_GROUP: &str = "desktop-group-create";
const ADD: &str = "desktops-add";

/// A desktop group to be made.
#[derive(Debug)]
pub struct NewDesktopGroup {
    pub name: String,
    pub group: Uuid,
    pub template: Uuid,
    pub pool: Uuid,
    pub network: Uuid,
    pub subnet: Uuid,
    pub vcpu: u32,
    pub memory_mib: u64,
    pub restore: Restore,
    /// Whether desktops get the template's data disks.
    pub has_data_disks: bool,
    pub count: u32,
    pub prefix: String,
    /// Digits of a desktop's number.
    pub digits: u32,
    pub first_number: u32,
    /// Desktops by a node's address, name or uuid; `None` spreads them by free memory.
    pub told: Option<BTreeMap<String, u32>>,
    /// To be offered to the terminals as soon as they are made.
    pub activate: bool,
    /// To be started as soon as they are made: where the caller may start desktops.
    pub start: Option<Visible>,
}

/// Desktops for which nodes are looked for.
struct Wanted<'a> {
    pool: &'a Pool,
    template: Uuid,
    count: u32,
    memory_mib: u64,
    told: Option<&'a BTreeMap<String, u32>>,
    /// Whether refusals may name nodes.
    sees_nodes: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct DeployArgs {
    group: Uuid,
    desktops: Vec<Uuid>,
    /// The group itself is new.
    whole_group: bool,
    /// What comes after the making.
    #[serde(default)]
    then: Then,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Then {
    activate: bool,
    start: bool,
}

static STEPS: [Action<Desktops, DeployArgs>; 6] = [
    Action::new("rows", nothing, remove_rows),
    Action::new("addresses", announce, withdraw),
    Action::new("domains", define, remove_domains),
    Action::new("parts", note_parts, nothing),
    Action::new("ready", make_ready, unmake_ready).commits(),
    Action::new("start", start, nothing),
];

pub(super) fn register(desktops: &Desktops) {
    for kind in [CREATE_GROUP, ADD] {
        desktops
            .operations
            .register(kind, Saga::new(Lane::Build, desktops.clone(), &STEPS).counting(Unit::Items));
    }
}

impl Desktops {
    /// Makes a desktop group with its desktops.
    pub fn create_desktop_group(
        &self,
        visible: &Visible,
        reach: &Reach,
        actor: &Actor,
        new: &NewDesktopGroup,
    ) -> Result<(Uuid, SubmittedOperation)> {
        check_numbers(new)?;
        // Before all else: other refusals tell what is there.
        self.store.read(|conn| {
            reach.check_template(conn, new.template)?;
            reach.check_pool(conn, new.pool)?;
            reach.check_subnet(conn, new.network, new.subnet)
        })?;
        let pool = self.inventory.pool(new.pool)?;
        let shares = self.shares(&Wanted {
            pool: &pool,
            template: new.template,
            count: new.count,
            memory_mib: new.memory_mib,
            told: new.told.as_ref(),
            sees_nodes: reach.sees_nodes,
        })?;
        self.operations.submit_with(actor, |tx| {
            let network = self.network_ids(tx, new.network, new.subnet)?;
            self.networks.check_usable(&self.networks.find_in(tx, new.network)?)?;
            let template = templates::store::find(tx, new.template)?;
            check_template(&template, pool.id, &pool.name)?;
            let row = NewGroup {
                name: &new.name,
                kind: GroupKind::Education,
                education_group: new.group,
                template_id: template.id,
                pool_id: pool.id,
                network,
                vcpu: new.vcpu,
                memory_mib: new.memory_mib,
                restore: new.restore,
                has_data_disks: new.has_data_disks,
                prefix: &new.prefix,
                digits: new.digits,
                first_number: new.first_number,
                owner_name: &actor.name,
            };
            let (_, uuid) = groups::insert(tx, visible, &row)?;
            let group = groups::find(tx, uuid)?;
            if new.start.as_ref().is_some_and(|may| !may.has(group.education_group)) {
                return Err(Error::forbidden("permission-missing")
                    .arg("permission", Permission::DesktopsPower.word()));
            }
            let seats = self.insert_seats(tx, &group, &template, network.1, &shares)?;
            let then = Then { activate: new.activate, start: new.start.is_some() };
            Ok((uuid, submission(CREATE_GROUP, &group, seats, &shares, then)?))
        })
    }

    /// Adds desktops to a group.
    pub fn add_desktops(
        &self,
        visible: &Visible,
        reach: &Reach,
        actor: &Actor,
        (uuid, name): &Named,
        count: u32,
        told: Option<&BTreeMap<String, u32>>,
    ) -> Result<SubmittedOperation> {
        let group = self.store.read(|conn| groups::find_named(conn, visible, *uuid, name))?;
        check_count(count)?;
        let pool = self.inventory.pool(group.pool)?;
        let shares = self.shares(&Wanted {
            pool: &pool,
            template: group.template,
            count,
            memory_mib: group.memory_mib,
            told,
            sees_nodes: reach.sees_nodes,
        })?;
        self.operations.submit(actor, |tx| {
            let group = groups::find_named(tx, visible, *uuid, name)?;
            if let Some(obstacle) = group.obstacle() {
                return Err(obstacle);
            }
            let template = templates::store::find(tx, group.template)?;
            check_template(&template, pool.id, &pool.name)?;
            let network = self.network_ids(tx, group.network, group.subnet)?;
            self.networks.check_usable(&self.networks.find_in(tx, group.network)?)?;
            let seats = self.insert_seats(tx, &group, &template, network.1, &shares)?;
            check_host_names(tx, group.uuid)?;
            submission(ADD, &group, seats, &shares, Then::default())
        })
    }

    /// Which node gets how many. A node that does not answer or does not have the template gets none; one that was
    /// named is an error.
    fn shares(&self, wanted: &Wanted<'_>) -> Result<Vec<Share>> {
        let Wanted { pool, template, count, memory_mib, told, sees_nodes } = *wanted;
        let nodes = self.inventory.compute_nodes(pool.id)?;
        let having = self.store.read(|conn| {
            let template = templates::store::find(conn, template)?;
            templates::store::nodes_with_version(conn, &template)
        })?;
        // When none has it, the refusal names the template.
        let suits = |node: &Node| told.is_some() || having.is_empty() || having.contains(&node.id);
        let mut rooms: Vec<Room> = Vec::new();
        let mut silent = None;
        let suiting = || nodes.iter().filter(|node| suits(node));
        let ids = suiting().map(|node| node.id);
        let answering = self.inventory.answering_within(ids, FIRST_CONNECTION);
        for node in suiting() {
            let free = self.inventory.sample(node.id);
            let free =
                free.map(|sample| sample.memory_total.saturating_sub(sample.memory_used) >> 20);
            match answering.of(node.id) {
                Some(Err(error)) if told.is_none() => silent = Some(error).filter(|_| sees_nodes),
                _ => rooms.push(Room {
                    node_id: node.id,
                    uuid: node.uuid,
                    name: node.name.clone(),
                    ip: node.ip.clone(),
                    free_mib: free,
                }),
            }
        }
        let shares = match told {
            Some(told) => spread::as_told(&rooms, told, count, sees_nodes)?,
            None => spread::by_memory(&rooms, count, memory_mib),
        };
        if shares.is_empty() {
            let nothing = || Error::conflict("pool-without-nodes").arg("name", &pool.name);
            return Err(silent.unwrap_or_else(nothing));
        }
        for share in &shares {
            answering.of(share.node_id).unwrap_or(Ok(()))?;
            let node = nodes.iter().find(|node| node.id == share.node_id);
            if let Some(node) = node
                && node.memory > 0
                && memory_mib > node.memory >> 20
            {
                let wrong =
                    |key| Error::bad_input(key).arg("field", "ram").arg("wanted", memory_mib);
                return Err(match sees_nodes {
                    true => wrong("desktop-memory-too-large")
                        .arg("name", &node.name)
                        .arg("has", node.memory >> 20),
                    false => wrong("desktop-memory-beyond-nodes"),
                });
            }
        }
        Ok(shares)
    }

    /// Writes rows and addresses of new desktops, seat by seat in the order of the nodes.
    fn insert_seats(
        &self,
        tx: &Tx<'_>,
        group: &DesktopGroup,
        template: &Template,
        subnet_id: SubnetId,
        shares: &[Share],
    ) -> Result<Vec<Lock>> {
        for share in shares {
            // Early and by name: a desktop cannot be made where its template is not.
            templates::store::version_layers(tx, template, template.version, share.node_id)?;
        }
        let count = shares.iter().map(|share| share.count).sum();
        let name = |seat| desktop_name(&group.prefix, group.digits, group.first_number, seat);
        let free = free_seats(&seats::taken(tx, group.id)?, count, name);
        check_width(group.digits, group.first_number, free.last().copied().unwrap_or(1))?;
        let nodes = shares.iter().flat_map(|share| (0..share.count).map(|_| share.node_id));
        let new: Vec<NewSeat> = free
            .into_iter()
            .zip(nodes)
            .map(|(seat, node_id)| NewSeat {
                uuid: Uuid::new_v4(),
                name: name(seat),
                node_id,
                seat,
                version: template.version,
            })
            .collect();
        seats::insert(tx, group.id, &new)?;
        let uuids: Vec<Uuid> = new.iter().map(|seat| seat.uuid).collect();
        self.networks.reserve_many(tx, subnet_id, &uuids)?;
        Ok(new.into_iter().map(|seat| Lock::new(seat.uuid, seat.name)).collect())
    }
}

fn submission(
    kind: &'static str,
    group: &DesktopGroup,
    seats: Vec<Lock>,
    shares: &[Share],
    then: Then,
) -> Result<NewOperation> {
    let desktops: Vec<Uuid> = seats.iter().map(|seat| seat.uuid).collect();
    let total = desktops.len() as u64;
    let args = DeployArgs { group: group.uuid, desktops, whole_group: kind == CREATE_GROUP, then };
    let new = NewOperation::new(kind, &args, group.uuid, &group.name)?;
    let parts = shares.iter().map(|share| (share.node_id, share.count as usize));
    Ok(new.locking(seats).on(parts).counting_to(total))
}

fn check_numbers(new: &NewDesktopGroup) -> Result<()> {
    let wrong = |field, low: u64, high: u64| {
        let error = Error::bad_input("number-out-of-range").arg("field", field);
        Err(error.arg("low", low).arg("high", high))
    };
    check_count(new.count)?;
    if !(1..=DIGITS).contains(&new.digits) {
        return wrong("postfix", 1, DIGITS.into());
    }
    check_machine(new.vcpu, new.memory_mib)?;
    check_width(new.digits, new.first_number, new.count)
}

/// # Errors
/// `number-out-of-range`, `desktop-memory-too-small`
pub(super) fn check_machine(vcpu: u32, memory_mib: u64) -> Result<()> {
    if !(1..=VCPU_LIMIT).contains(&vcpu) {
        let error = Error::bad_input("number-out-of-range").arg("field", "vcpu");
        return Err(error.arg("low", 1).arg("high", VCPU_LIMIT));
    }
    if memory_mib < MEMORY_LEAST {
        let error = Error::bad_input("desktop-memory-too-small").arg("field", "ram");
        return Err(error.arg("least", MEMORY_LEAST));
    }
    Ok(())
}

fn check_count(count: u32) -> Result<()> {
    if (1..=AT_ONCE).contains(&count) {
        return Ok(());
    }
    let error = Error::bad_input("number-out-of-range").arg("field", "instance_num");
    Err(error.arg("low", 1).arg("high", AT_ONCE))
}

/// Whether the number of the last seat still has the group's number of digits.
fn check_width(digits: u32, first_number: u32, last_seat: u32) -> Result<()> {
    let last = u64::from(first_number) + u64::from(last_seat) - 1;
    if last < 10_u64.saturating_pow(digits) {
        return Ok(());
    }
    let error = Error::bad_input("desktop-number-too-long").arg("field", "postfix");
    Err(error.arg("last", last).arg("digits", digits))
}

/// The lowest seats that are free and whose name no other desktop was given.
fn free_seats(taken: &[(u32, String)], count: u32, name: impl Fn(u32) -> String) -> Vec<u32> {
    let names: HashSet<String> = taken.iter().map(|(_, name)| lookalike(name)).collect();
    let taken: HashSet<u32> = taken.iter().map(|(seat, _)| *seat).collect();
    let is_free = |seat: &u32| !taken.contains(seat) && !names.contains(&lookalike(&name(*seat)));
    let free = (1..).filter(is_free);
    free.take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

/// # Errors
/// `template-not-for-education`, `template-of-another-pool`, and why it is not ready
pub(super) fn check_template(template: &Template, pool: PoolId, pool_name: &str) -> Result<()> {
    if template.classify != Classify::Education {
        return Err(Error::bad_input("template-not-for-education")
            .arg("field", "template_uuid")
            .arg("name", &template.name));
    }
    if template.pool_id != pool {
        return Err(Error::bad_input("template-of-another-pool")
            .arg("field", "pool_uuid")
            .arg("name", &template.name)
            .arg("pool", pool_name));
    }
    match template.state {
        TemplateState::Ready => Ok(()),
        state => Err(template_obstacle(state, &template.name)),
    }
}

fn announce(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    desktops.announce_addresses(&args.desktops, execution)?;
    execution.some_part()
}

fn withdraw(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    desktops.withdraw_addresses(&args.desktops, execution)
}

fn define(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    let failed = execution.failed_parts();
    let seats = desktops.store.read(|conn| seats::seats(conn, &args.desktops))?;
    let reachable = seats.iter().filter(|seat| !failed.contains_key(&seat.node_id));
    let reachable: Vec<Uuid> = reachable.map(|seat| seat.uuid).collect();
    desktops.define_domains(&reachable, execution)?;
    execution.some_part()
}

/// Says of each desktop whether it was made, when not all were.
fn note_parts(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    let failed = execution.failed_parts();
    if failed.is_empty() {
        return Ok(());
    }
    for seat in desktops.store.read(|conn| seats::seats(conn, &args.desktops))? {
        let fault = failed.get(&seat.node_id).cloned();
        execution.item(seat.uuid, &seat.name, fault.map_or(Ok(()), Err));
    }
    Ok(())
}

fn remove_domains(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    desktops.remove_domains(&args.desktops, execution)
}

fn make_ready(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    let failed = execution.failed_parts();
    let seats = desktops.store.read(|conn| seats::seats(conn, &args.desktops))?;
    let (left, _): (Vec<_>, Vec<_>) =
        seats.iter().partition(|seat| failed.contains_key(&seat.node_id));
    for (node, part) in seats::by_node(left.iter().copied()) {
        desktops.remove_left(node, part);
    }
    let left: Vec<Uuid> = left.iter().map(|seat| seat.uuid).collect();
    desktops.forget(&[], &left)?;
    set_stage(desktops, args, Stage::Ready)
}

fn unmake_ready(desktops: &Desktops, args: &DeployArgs, _: &Execution) -> Result<()> {
    set_stage(desktops, args, Stage::Creating)
}

fn set_stage(desktops: &Desktops, args: &DeployArgs, stage: Stage) -> Result<()> {
    desktops.store.write(|tx| {
        seats::set_stage(tx, &args.desktops, stage)?;
        if args.whole_group {
            groups::set_stage(tx, &[args.group], stage)?;
        }
        if args.then.activate && stage == Stage::Ready {
            groups::set_active(tx, args.group, true)?;
        }
        Ok(())
    })
}

/// Those that were made; the rows of others are gone.
fn start(desktops: &Desktops, args: &DeployArgs, execution: &Execution) -> Result<()> {
    match args.then.start {
        true => power::start(desktops, &args.desktops, execution),
        false => Ok(()),
    }
}

fn remove_rows(desktops: &Desktops, args: &DeployArgs, _: &Execution) -> Result<()> {
    let whole: &[Uuid] = if args.whole_group { &[args.group] } else { &[] };
    desktops.forget(whole, &args.desktops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_first() {
        let name = |seat| desktop_name("pc", 1, 1, seat);
        let taken = |seats: &[u32]| seats.iter().map(|seat| (*seat, name(*seat))).collect();
        let taken: Vec<(u32, String)> = taken(&[1, 2, 5]);
        assert_eq!(free_seats(&taken, 3, name), [3, 4, 6]);
        assert_eq!(free_seats(&[], 2, name), [1, 2]);
    }

    #[test]
    fn a_seat_whose_name_another_desktop_was_given_stays_empty() {
        let name = |seat| desktop_name("pc", 1, 1, seat);
        let taken = [(1, "PC3".to_owned()), (2, "pc2".to_owned())];
        assert_eq!(free_seats(&taken, 2, name), [4, 5], "one is taken, however it is called");
    }

    #[test]
    fn numbers_must_fit_their_digits() {
        assert!(check_width(2, 1, 99).is_ok());
        assert!(check_width(2, 1, 100).is_err());
        assert!(check_width(3, 996, 5).is_err());
        assert!(check_width(1, 0, 10).is_ok());
    }
}
