//! What is to be mended; decided without touching anything.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Held;
use crate::node::protocol::{DomainState, FileKind, StoredFile};

/// What rows know.
#[derive(Debug, Default)]
pub struct Known {
    /// Desktops and templates, by uuid.
    pub domains: HashMap<Uuid, KnownDomain>,
    pub layers: HashSet<Uuid>,
}

#[derive(Debug, Clone, Copy)]
pub struct KnownDomain {
    pub node_id: i64,
    /// Not being made or deleted.
    pub is_ready: bool,
    pub is_template: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Domains of nobody.
    pub remove: Vec<Uuid>,
    /// Desktops whose domain is missing.
    pub remake: Vec<Uuid>,
    /// Files of nobody.
    pub files: Vec<StoredFile>,
}

/// Compares a node with the rows.
pub fn plan(
    node: i64,
    domains: &[DomainState],
    files: &[StoredFile],
    known: &Known,
    held: &Held,
) -> Plan {
    let there: HashSet<Uuid> = domains.iter().map(|domain| domain.uuid).collect();
    let nobodys = |uuid: &Uuid| !known.domains.contains_key(uuid) && !held.contains(uuid);
    let remove: Vec<Uuid> = there.iter().copied().filter(|uuid| nobodys(uuid)).collect();
    let missing = known.domains.iter().filter(|(uuid, domain)| {
        domain.node_id == node
            && domain.is_ready
            && !domain.is_template
            && !there.contains(uuid)
            && !held.contains(uuid)
    });
    let remake = missing.map(|(uuid, _)| *uuid).collect();
    let files = files.iter().filter(|file| {
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
    Plan { remove, remake, files: files.cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::protocol::{LayerKind, Owner, OwnerKind, PowerState};

    const NODE: i64 = 1;

    fn domain(uuid: Uuid) -> DomainState {
        DomainState {
            uuid,
            owner: Owner {
                installation: Uuid::nil(),
                kind: OwnerKind::Desktop,
                name: "pc".into(),
                group: None,
                template: Uuid::nil(),
            },
            power: PowerState::Off,
            reason: "off".into(),
            started_at: None,
            version: Some(1),
            nics: Vec::new(),
        }
    }

    fn file(uuid: Uuid, kind: FileKind) -> StoredFile {
        StoredFile { storage: "/s".into(), kind, uuid, path: uuid.to_string() }
    }

    fn row(node_id: i64, is_ready: bool, is_template: bool) -> KnownDomain {
        KnownDomain { node_id, is_ready, is_template }
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
        assert_eq!(plan(NODE, &[domain(desktop)], &files, &known, &Held::new()), Plan::default());
    }

    #[test]
    fn what_belongs_to_nobody_goes_unless_an_operation_holds_it() {
        let (domain_uuid, overlay, layer) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let files = [
            file(domain_uuid, FileKind::Overlay),
            file(overlay, FileKind::Overlay),
            file(layer, FileKind::Layer(LayerKind::TemplateVersion)),
        ];
        let domains = [domain(domain_uuid)];
        let made = plan(NODE, &domains, &files, &Known::default(), &Held::new());
        assert_eq!(made.remove, [domain_uuid]);
        // The domain's own overlay goes with it.
        assert_eq!(made.files, files[1..]);
        let held = Held::from([domain_uuid, overlay, layer]);
        assert_eq!(plan(NODE, &domains, &files, &Known::default(), &held), Plan::default());
    }

    #[test]
    fn only_ready_desktops_of_this_node_are_made_anew() {
        let missing = Uuid::new_v4();
        let mut known = Known::default();
        known.domains.insert(missing, row(NODE, true, false));
        known.domains.insert(Uuid::new_v4(), row(NODE, false, false));
        known.domains.insert(Uuid::new_v4(), row(2, true, false));
        known.domains.insert(Uuid::new_v4(), row(NODE, true, true));
        assert_eq!(plan(NODE, &[], &[], &known, &Held::new()).remake, [missing]);
        assert!(plan(NODE, &[], &[], &known, &Held::from([missing])).remake.is_empty());
    }

    #[test]
    fn a_domain_of_another_nodes_row_is_not_removed() {
        let elsewhere = Uuid::new_v4();
        let mut known = Known::default();
        known.domains.insert(elsewhere, row(2, true, false));
        assert!(plan(NODE, &[domain(elsewhere)], &[], &known, &Held::new()).remove.is_empty());
    }
}
