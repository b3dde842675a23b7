//! What is to be mended; decided without touching anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::Held;
use crate::desktops::spec::Restore;
use crate::node::protocol::{
    DomainList, DomainState, FileKind, Identity, Limits, PowerState, StoredFile, TemplateLayers,
};
use crate::store::NodeId;

/// What rows know.
#[derive(Debug, Default)]
pub struct Known {
    /// Desktops and templates of the node, and those of others of which something was found there.
    pub domains: HashMap<Uuid, KnownDomain>,
    /// Those of the files that were found.
    pub layers: HashSet<Uuid>,
    /// Those of what was found whose rows were deleted.
    pub gone: HashSet<Uuid>,
    /// What desktops of the node's templates are to get.
    pub published: HashMap<Uuid, TemplateLayers>,
}

/// What a node has.
#[derive(Debug, Default)]
pub struct Found {
    pub domains: DomainList,
    pub files: Vec<StoredFile>,
    /// What desktops of its templates get.
    pub published: BTreeMap<Uuid, TemplateLayers>,
}

impl Found {
    /// Whom the domains and files may belong to.
    pub fn owners(&self) -> Vec<Uuid> {
        let domains = self.domains.states.iter().map(|domain| domain.uuid);
        let unreadable = self.domains.unreadable.iter().map(|(uuid, _)| *uuid);
        domains.chain(unreadable).chain(self.files.iter().map(|file| file.uuid)).collect()
    }
}

#[derive(Debug, Clone)]
pub struct KnownDomain {
    pub node_id: NodeId,
    /// Not being made or deleted.
    pub is_ready: bool,
    /// Desktop group; `None` for a template's own.
    pub group: Option<Uuid>,
    pub restore: Restore,
    /// What a desktop is made of; `None` for a template's own.
    pub template: Option<Uuid>,
    /// Of a desktop, what its guest is told of itself.
    pub identity: Option<Identity>,
    pub name: String,
    pub limits: Limits,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Domains of rows that were deleted.
    pub remove: Vec<Uuid>,
    /// What is of nobody for all that is known.
    pub strange: Strange,
    /// Desktops whose domain is missing.
    pub remake: Vec<Uuid>,
    /// Desktops that would be restored at their next start against what their group says, or not be, or be made of another
    /// template than their group's, or have other limits.
    pub correct: Vec<Uuid>,
    /// Templates whose desktops would get other layers than those of the newest version.
    pub publish: Vec<Uuid>,
    /// Files of rows that were deleted.
    pub files: Vec<StoredFile>,
}

/// What neither a row knows nor its deletion: of another database than this one. It is not deleted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Strange {
    /// Domains that are off.
    pub off: Vec<Uuid>,
    /// All other domains.
    pub on: Vec<Uuid>,
    pub files: Vec<StoredFile>,
}

/// Compares a node with the rows.
pub fn plan(node: NodeId, found: &Found, known: &Known, held: &Held) -> Plan {
    let Found { domains: DomainList { states, unreadable }, files, .. } = found;
    let readable: HashSet<Uuid> = states.iter().map(|domain| domain.uuid).collect();
    // What cannot be read is somebody's: neither it nor its disks are touched, nor made anew.
    let mut there = readable.clone();
    there.extend(unreadable.iter().map(|(uuid, _)| *uuid));
    let nobodys = |uuid: &Uuid| !known.domains.contains_key(uuid) && !held.contains(uuid);
    let (removed, strange): (Vec<&DomainState>, Vec<&DomainState>) = states
        .iter()
        .filter(|domain| nobodys(&domain.uuid))
        .partition(|domain| known.gone.contains(&domain.uuid));
    let (off, on): (Vec<&DomainState>, Vec<&DomainState>) =
        strange.into_iter().partition(|domain| domain.power == PowerState::Off);
    let missing = known.domains.iter().filter(|(uuid, domain)| {
        domain.node_id == node
            && domain.is_ready
            && domain.group.is_some()
            && !there.contains(uuid)
            && !held.contains(uuid)
    });
    let remake = missing.map(|(uuid, _)| *uuid).collect();
    let strays = files.iter().filter(|file| {
        // A domain that is removed takes its disks along.
        let own = !there.contains(&file.uuid) && !held.contains(&file.uuid);
        match file.kind {
            FileKind::Overlay | FileKind::Published => {
                own && !known.domains.contains_key(&file.uuid)
            }
            FileKind::Layer(_) => own && !known.layers.contains(&file.uuid),
            // The images know which uploads go on.
            FileKind::Upload => false,
        }
    });
    let (files, strange_files) = strays.cloned().partition(|file| known.gone.contains(&file.uuid));
    let uuids = |domains: Vec<&DomainState>| domains.iter().map(|domain| domain.uuid).collect();
    Plan {
        remove: uuids(removed),
        strange: Strange { off: uuids(off), on: uuids(on), files: strange_files },
        remake,
        correct: differing(node, states, known, held),
        publish: unpublished(found, known, held),
        files,
    }
}

impl Plan {
    /// Leaves out what rows did not say already `before` the node was asked: what an operation made or changed in
    /// between, however quickly, may be in the rows and not in the node's answer.
    pub fn settled(mut self, before: &Known, now: &Known) -> Self {
        let was_ready = |uuid: &Uuid| before.domains.get(uuid).is_some_and(|row| row.is_ready);
        let made = |known: &Known, uuid: &Uuid| {
            let row = known.domains.get(uuid)?;
            Some((row.restore, row.template, row.name.clone(), row.identity.clone(), row.limits))
        };
        self.remake.retain(was_ready);
        self.correct.retain(|uuid| made(before, uuid) == made(now, uuid));
        self.publish.retain(|it| before.published.get(it) == now.published.get(it));
        self
    }
}

fn differing(node: NodeId, domains: &[DomainState], known: &Known, held: &Held) -> Vec<Uuid> {
    let differs = |domain: &&DomainState| {
        let Some(row) = known.domains.get(&domain.uuid) else { return false };
        // While its group is changed the nodes are being told.
        let group_is_free = row.group.is_some_and(|group| !held.contains(&group));
        let agrees = |(role, restore): &(_, bool)| row.restore.covers(*role) == *restore;
        row.node_id == node
            && row.is_ready
            && group_is_free
            && !held.contains(&domain.uuid)
            && (row.template != Some(domain.template)
                || row.limits != domain.limits
                || !domain.restore.iter().all(agrees)
                || !is_called(row, domain))
    };
    domains.iter().filter(differs).map(|domain| domain.uuid).collect()
}

/// Whether its guest is told who it is as its row says. One that an older release defined is told nothing until it is
/// defined anew for another reason: its hardware stays as it is.
fn is_called(row: &KnownDomain, domain: &DomainState) -> bool {
    row.name == domain.name && (domain.identity.is_none() || domain.identity == row.identity)
}

fn unpublished(found: &Found, known: &Known, held: &Held) -> Vec<Uuid> {
    let layers: HashSet<Uuid> = found
        .files
        .iter()
        .filter(|file| matches!(file.kind, FileKind::Layer(_)))
        .map(|file| file.uuid)
        .collect();
    let differs = |(template, wanted): &(&Uuid, &TemplateLayers)| {
        !held.contains(template)
            && found.published.get(template) != Some(wanted)
            // Without its files there is nothing to publish.
            && wanted.disks.values().all(|layer| layers.contains(&layer.uuid))
    };
    known.published.iter().filter(differs).map(|(template, _)| *template).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Fault};
    use crate::node::protocol::{FirmwareState, Hardware, LayerKind, LayerRef};

    const NODE: NodeId = NodeId::new(1);

    fn domain(uuid: Uuid) -> DomainState {
        DomainState::sample(uuid)
    }

    fn found(domains: &[DomainState], files: &[StoredFile]) -> Found {
        let domains = DomainList { states: domains.to_vec(), ..DomainList::default() };
        Found { domains, files: files.to_vec(), ..Found::default() }
    }

    fn file(uuid: Uuid, kind: FileKind) -> StoredFile {
        StoredFile { storage: "/s".into(), kind, uuid, path: uuid.to_string() }
    }

    fn row(node_id: NodeId, is_ready: bool, is_template: bool) -> KnownDomain {
        let group = (!is_template).then(Uuid::new_v4);
        let restore = Restore { system: true, data: false };
        KnownDomain {
            node_id,
            is_ready,
            group,
            restore,
            template: group.map(|_| Uuid::nil()),
            identity: group.map(|_| Identity { number: 1, group: "class".into(), host_name: None }),
            name: "pc".into(),
            limits: Limits::NONE,
        }
    }

    #[test]
    fn what_agrees_is_left_alone() {
        let (desktop, layer) = (Uuid::new_v4(), Uuid::new_v4());
        let mut known = Known::default();
        known.domains.insert(desktop, row(NODE, true, false));
        known.layers.insert(layer);
        let files = [
            file(desktop, FileKind::Overlay),
            file(layer, FileKind::Layer(LayerKind::BaseImage)),
            file(Uuid::new_v4(), FileKind::Upload),
        ];
        assert_eq!(
            plan(NODE, &found(&[domain(desktop)], &files), &known, &Held::new()),
            Plan::default()
        );
    }

    #[test]
    fn what_no_row_knows_is_set_aside_and_goes_only_when_its_row_was_deleted() {
        let (domain_uuid, overlay, layer) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let files = [
            file(domain_uuid, FileKind::Overlay),
            file(overlay, FileKind::Overlay),
            file(layer, FileKind::Layer(LayerKind::TemplateVersion)),
        ];
        let domains = [domain(domain_uuid)];
        let made = plan(NODE, &found(&domains, &files), &Known::default(), &Held::new());
        assert!(made.remove.is_empty() && made.files.is_empty(), "of another database");
        // The domain's own overlay goes with it.
        let files_of_nobody = files[1..].to_vec();
        let strange = Strange { off: vec![domain_uuid], on: Vec::new(), files: files_of_nobody };
        assert_eq!(made.strange, strange);
        let gone = HashSet::from([domain_uuid, overlay, layer]);
        let known = Known { gone, ..Known::default() };
        let made = plan(NODE, &found(&domains, &files), &known, &Held::new());
        assert_eq!((made.remove.as_slice(), &made.files[..]), (&[domain_uuid][..], &files[1..]));
        assert_eq!(made.strange, Strange::default());
        let held = Held::from([domain_uuid, overlay, layer]);
        assert_eq!(plan(NODE, &found(&domains, &files), &Known::default(), &held), Plan::default());
    }

    #[test]
    fn a_guest_of_nobody_that_runs_is_told_apart() {
        let uuid = Uuid::new_v4();
        let mut running = domain(uuid);
        for power in [PowerState::Running, PowerState::Paused, PowerState::Crashed] {
            running.power = power;
            let found = found(std::slice::from_ref(&running), &[file(uuid, FileKind::Overlay)]);
            let made = plan(NODE, &found, &Known::default(), &Held::new());
            let strange = Strange { on: vec![uuid], ..Strange::default() };
            assert_eq!(made, Plan { strange, ..Plan::default() });
        }
    }

    #[test]
    fn what_cannot_be_read_is_neither_removed_nor_made_anew() {
        let (of_a_row, of_nobody) = (Uuid::new_v4(), Uuid::new_v4());
        let fault = Fault::from(Error::conflict("stored-damaged"));
        let mut known = Known::default();
        known.domains.insert(of_a_row, row(NODE, true, false));
        let mut found = found(&[], &[file(of_nobody, FileKind::Overlay)]);
        found.domains.unreadable = vec![(of_a_row, fault.clone()), (of_nobody, fault)];
        assert_eq!(plan(NODE, &found, &known, &Held::new()), Plan::default());
    }

    #[test]
    fn only_ready_desktops_of_this_node_are_made_anew() {
        let missing = Uuid::new_v4();
        let mut known = Known::default();
        known.domains.insert(missing, row(NODE, true, false));
        known.domains.insert(Uuid::new_v4(), row(NODE, false, false));
        known.domains.insert(Uuid::new_v4(), row(NodeId::new(2), true, false));
        known.domains.insert(Uuid::new_v4(), row(NODE, true, true));
        assert_eq!(plan(NODE, &found(&[], &[]), &known, &Held::new()).remake, [missing]);
        assert!(plan(NODE, &found(&[], &[]), &known, &Held::from([missing])).remake.is_empty());
    }

    #[test]
    fn what_was_made_or_changed_while_the_node_was_asked_is_left_alone() {
        let (desktop, template) = (Uuid::new_v4(), Uuid::new_v4());
        let mut now = Known::default();
        now.domains.insert(desktop, row(NODE, true, false));
        now.published.insert(
            template,
            TemplateLayers {
                version: 2,
                disks: BTreeMap::new(),
                hardware: Hardware::first(),
                state: FirmwareState::default(),
            },
        );
        let planned = || Plan {
            remake: vec![desktop],
            correct: vec![desktop],
            publish: vec![template],
            ..Plan::default()
        };
        assert_eq!(planned().settled(&now, &now), planned());
        assert_eq!(planned().settled(&Known::default(), &now), Plan::default());
        let mut before = Known::default();
        let mut other = row(NODE, false, false);
        other.restore.data = true;
        before.domains.insert(desktop, other);
        before.published.insert(
            template,
            TemplateLayers {
                version: 1,
                disks: BTreeMap::new(),
                hardware: Hardware::first(),
                state: FirmwareState::default(),
            },
        );
        assert_eq!(planned().settled(&before, &now), Plan::default());
    }

    #[test]
    fn a_domain_of_another_nodes_row_is_not_removed() {
        let elsewhere = Uuid::new_v4();
        let mut known = Known::default();
        known.domains.insert(elsewhere, row(NodeId::new(2), true, false));
        assert!(
            plan(NODE, &found(&[domain(elsewhere)], &[]), &known, &Held::new()).remove.is_empty()
        );
    }
    #[test]
    fn desktops_that_restore_otherwise_than_their_group_are_corrected() {
        let (desktop, own) = (Uuid::new_v4(), Uuid::new_v4());
        let mut known = Known::default();
        let mut wanted = row(NODE, true, false);
        wanted.restore.data = true;
        known.domains.insert(desktop, wanted.clone());
        known.domains.insert(own, row(NODE, true, true));
        let found = found(&[domain(desktop), domain(own)], &[]);
        let correct =
            |held: &[Uuid]| plan(NODE, &found, &known, &held.iter().copied().collect()).correct;
        assert_eq!(correct(&[]), [desktop]);
        assert!(correct(&[desktop]).is_empty());
        assert!(correct(&[wanted.group.unwrap()]).is_empty());
        wanted.restore.data = false;
        known.domains.insert(desktop, wanted);
        assert!(plan(NODE, &found, &known, &Held::new()).correct.is_empty());
    }

    #[test]
    fn desktops_made_of_another_template_than_their_groups_are_corrected() {
        let desktop = Uuid::new_v4();
        let mut known = Known::default();
        let wanted = KnownDomain { template: Some(Uuid::new_v4()), ..row(NODE, true, false) };
        known.domains.insert(desktop, wanted.clone());
        let mut state = domain(desktop);
        let correct = |state: &DomainState| {
            plan(NODE, &found(std::slice::from_ref(state), &[]), &known, &Held::new()).correct
        };
        assert_eq!(correct(&state), [desktop]);
        let mut before = Known::default();
        before
            .domains
            .insert(desktop, KnownDomain { template: Some(Uuid::nil()), ..wanted.clone() });
        let planned = Plan { correct: vec![desktop], ..Plan::default() };
        assert_eq!(planned.settled(&before, &known), Plan::default(), "changed meanwhile");
        // As it runs it is of the former one; what counts is what it gets.
        state.template = wanted.template.unwrap();
        assert!(correct(&state).is_empty());
    }

    #[test]
    fn desktops_that_are_told_another_name_than_theirs_are_corrected() {
        let desktop = Uuid::new_v4();
        let mut known = Known::default();
        known.domains.insert(desktop, row(NODE, true, false));
        let correct =
            |state: DomainState| plan(NODE, &found(&[state], &[]), &known, &Held::new()).correct;
        let told = |number, group: &str| DomainState {
            identity: Some(Identity { number, group: group.to_owned(), host_name: None }),
            ..domain(desktop)
        };
        assert_eq!(correct(DomainState { name: "pc-old".into(), ..domain(desktop) }), [desktop]);
        assert_eq!(correct(told(1, "class of last year")), [desktop]);
        assert_eq!(correct(told(2, "class")), [desktop]);
        assert!(correct(told(1, "class")).is_empty());
        let mut named = told(1, "class");
        named.identity.as_mut().expect("told").host_name = Some("pc-of-before".into());
        assert_eq!(correct(named), [desktop]);
        assert!(correct(domain(desktop)).is_empty(), "of an older release");
    }

    #[test]
    fn what_desktops_get_is_published_as_the_rows_say_when_it_is_there() {
        let (template, disk) = (Uuid::new_v4(), Uuid::new_v4());
        let layer = LayerRef {
            uuid: Uuid::new_v4(),
            kind: LayerKind::TemplateVersion,
            storage: "/s".into(),
        };
        let wanted = TemplateLayers {
            version: 2,
            disks: [(disk, layer.clone())].into(),
            hardware: Hardware::first(),
            state: FirmwareState::default(),
        };
        let older = TemplateLayers { version: 1, ..wanted.clone() };
        let mut known = Known::default();
        known.layers.insert(layer.uuid);
        known.published.insert(template, wanted.clone());
        let mut found = found(&[], &[]);
        let publish = |found: &Found, held: &[Uuid]| {
            plan(NODE, found, &known, &held.iter().copied().collect()).publish
        };
        assert!(publish(&found, &[]).is_empty(), "its layer is not there");
        found.files.push(file(layer.uuid, FileKind::Layer(LayerKind::TemplateVersion)));
        assert_eq!(publish(&found, &[]), [template]);
        assert!(publish(&found, &[template]).is_empty());
        found.published.insert(template, older);
        assert_eq!(publish(&found, &[]), [template]);
        found.published.insert(template, wanted);
        assert!(publish(&found, &[]).is_empty());
    }
}
