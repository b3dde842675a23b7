//! The history of a template: its versions, what each costs, who runs which, and removing old ones.
//!
//! Versions are kept until an administrator removes them: each is a way back. What a version holds itself is what was
//! changed since the one before; room comes back when no other version and no desktop stands on it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::store::{self, PlacedLayer, SavedVersion, VersionUser};
use super::{Template, Templates, ready};
use crate::error::{Error, Result};
use crate::inventory::Duty;

/// A version and what hangs on it.
#[derive(Debug, Clone)]
pub struct Version {
    pub version: u32,
    /// `None`: it was removed from the history and only desktops still run it.
    pub saved: Option<SavedVersion>,
    pub is_newest: bool,
    /// Bytes that it added to the versions before it; `None` while they are not measured.
    pub used: Option<u64>,
    /// Bytes that come back when it alone is removed, and no desktop runs it any more.
    pub frees: Option<u64>,
    pub users: Vec<VersionUser>,
}

impl Templates {
    /// The versions of a template, newest first.
    ///
    /// # Errors
    /// `template-unknown`
    pub fn history(&self, uuid: Uuid) -> Result<(Template, Vec<Version>)> {
        self.store.read(|conn| {
            let template = store::find(conn, uuid)?;
            let saved = store::saved_versions(conn, template.id)?;
            let mut users = store::version_users(conn, template.id)?;
            let layers = store::placed_layers(conn, &template)?;
            let working = store::disks(conn, template.id)?.iter().map(|disk| disk.top).collect();
            let sizes = store::layer_sizes(conn, template.id)?;
            let costs = Costs { chains: Chains::of(&layers), working, sizes };
            let mut versions: Vec<Version> = Vec::new();
            let numbers: Vec<u32> = saved.iter().map(|saved| saved.version).collect();
            for saved in saved {
                let version = saved.version;
                versions.push(Version {
                    version,
                    is_newest: version == template.version,
                    used: costs.added_by(version, &numbers),
                    frees: costs.freed_by(version, &numbers),
                    users: users.remove(&version).unwrap_or_default(),
                    saved: Some(saved),
                });
            }
            let removed = |(version, users)| Version {
                version,
                saved: None,
                is_newest: false,
                used: None,
                frees: None,
                users,
            };
            versions.extend(users.into_iter().map(removed));
            versions.sort_by_key(|version| std::cmp::Reverse(version.version));
            Ok((template, versions))
        })
    }

    /// Removes versions from the history. What no other version, no working disk and no desktop stands on is deleted on
    /// the node soon after.
    ///
    /// # Errors
    /// `template-unknown`, `template-version-unknown`, `template-version-newest`, `template-in-the-works`; nothing was
    /// removed then
    pub fn remove_versions(&self, uuid: Uuid, versions: &[u32]) -> Result<Template> {
        let template = self.store.write(|tx| {
            let template = ready(tx, uuid)?;
            let kept = store::kept_versions(tx, template.id)?;
            for version in versions {
                if *version == template.version {
                    let error = Error::conflict("template-version-newest");
                    return Err(error.arg("name", &template.name).arg("version", version));
                }
                if !kept.contains(version) {
                    return Err(unknown(&template, *version));
                }
            }
            store::forget_versions(tx, template.id, versions)?;
            Ok(template)
        })?;
        self.inventory.ask_after(Duty::UnusedLayers, template.node_id, Duration::ZERO);
        Ok(template)
    }
}

pub(super) fn unknown(template: &Template, version: u32) -> Error {
    let error = Error::not_found("template-version-unknown").arg("field", "version");
    error.arg("name", &template.name).arg("version", version)
}

/// The layers of a template: what each stands on, and the tops of each version.
pub(super) struct Chains {
    below: HashMap<Uuid, Option<Uuid>>,
    tops: HashMap<u32, Vec<Uuid>>,
}

impl Chains {
    pub(super) fn of(layers: &[PlacedLayer]) -> Self {
        let mut tops: HashMap<u32, Vec<Uuid>> = HashMap::new();
        for PlacedLayer { layer, .. } in layers {
            if let Some(version) = layer.version {
                tops.entry(version).or_default().push(layer.uuid);
            }
        }
        let below = layers.iter().map(|placed| (placed.layer.uuid, placed.layer.below)).collect();
        Self { below, tops }
    }

    /// The layers that these versions and working disks stand on; each is looked at once.
    pub(super) fn needed(
        &self,
        versions: impl IntoIterator<Item = u32>,
        working: impl IntoIterator<Item = Uuid>,
    ) -> HashSet<Uuid> {
        let tops = versions.into_iter().filter_map(|version| self.tops.get(&version)).flatten();
        let mut needed = HashSet::new();
        for top in tops.copied().chain(working) {
            let mut next = Some(top);
            while let Some(layer) = next
                && let Some(below) = self.below.get(&layer)
                && needed.insert(layer)
            {
                next = *below;
            }
        }
        needed
    }
}

/// What versions cost on the template's node.
struct Costs {
    chains: Chains,
    /// Tops of the working disks.
    working: Vec<Uuid>,
    sizes: HashMap<Uuid, u64>,
}

impl Costs {
    fn size(&self, layers: impl Iterator<Item = Uuid>) -> Option<u64> {
        layers.map(|layer| self.sizes.get(&layer).copied()).sum()
    }

    /// What the version has beyond the versions before it.
    fn added_by(&self, version: u32, kept: &[u32]) -> Option<u64> {
        let before = kept.iter().copied().filter(|other| *other < version);
        let before = self.chains.needed(before, []);
        let own = self.chains.needed([version], []);
        self.size(own.difference(&before).copied())
    }

    /// What nothing but this version needs.
    fn freed_by(&self, version: u32, kept: &[u32]) -> Option<u64> {
        let others = kept.iter().copied().filter(|other| *other != version);
        let others = self.chains.needed(others, self.working.iter().copied());
        let own = self.chains.needed([version], []);
        self.size(own.difference(&others).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Layer;
    use super::*;
    use crate::node::protocol::{FirmwareState, Hardware};
    use crate::store::{DiskId, TemplateId};

    fn placed(uuid: u128, version: Option<u32>, below: Option<u128>) -> PlacedLayer {
        let layer = Layer {
            uuid: Uuid::from_u128(uuid),
            template_id: TemplateId::new(1),
            disk_id: DiskId::new(1),
            version,
            below: below.map(Uuid::from_u128),
            size: 1,
            hardware: Hardware::first(),
            state: FirmwareState::default(),
        };
        PlacedLayer { layer, storage: "/s".into(), position: 0 }
    }

    /// Versions 1 to 3 in a chain, 2 with a link below it that is no version; 4 stands alone; 5 goes back to 2.
    fn costs() -> Costs {
        let sizes = [(1, 100), (20, 7), (2, 10), (3, 1), (4, 1000), (5, 2)];
        let sizes = sizes.into_iter().map(|(uuid, size)| (Uuid::from_u128(uuid), size)).collect();
        Costs { chains: Chains::of(&layers()), working: vec![Uuid::from_u128(5)], sizes }
    }

    fn layers() -> Vec<PlacedLayer> {
        vec![
            placed(1, Some(1), Some(99)),
            placed(20, None, Some(1)),
            placed(2, Some(2), Some(20)),
            placed(3, Some(3), Some(2)),
            placed(4, Some(4), None),
            placed(5, Some(5), Some(2)),
        ]
    }

    #[test]
    fn a_version_costs_what_it_adds_and_gives_back_what_nothing_else_needs() {
        let costs = costs();
        let kept = [1, 2, 3, 4, 5];
        let added: Vec<_> = kept.map(|version| costs.added_by(version, &kept)).to_vec();
        assert_eq!(added, [Some(100), Some(17), Some(1), Some(1000), Some(2)]);
        let freed: Vec<_> = kept.map(|version| costs.freed_by(version, &kept)).to_vec();
        assert_eq!(freed, [Some(0), Some(0), Some(1), Some(1000), Some(0)]);
        // What is not measured has no number rather than a wrong one.
        let unmeasured = Costs { sizes: HashMap::new(), ..costs };
        assert_eq!(unmeasured.added_by(3, &kept), None);
    }

    #[test]
    fn layers_below_what_is_kept_are_needed() {
        let needed = Chains::of(&layers()).needed([3], [Uuid::from_u128(4)]);
        let expected: HashSet<Uuid> = [1, 20, 2, 3, 4].map(Uuid::from_u128).into();
        assert_eq!(needed, expected);
    }
}
