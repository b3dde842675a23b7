//! Makes and updates domains.

use std::path::PathBuf;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;

use super::errors::Libvirt;
use super::hardware;
use super::metadata::Metadata;
use super::xml::{self, Rendered, Setting};
use super::{Hypervisor, Inner, batch, limits, states};
use crate::error::{Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::firmware;
use crate::node::protocol::{
    CdSpec, DiskSpec, DomainSpec, Event, ItemResult, LayerRef, OwnerKind, TemplateLayers,
};

impl Hypervisor {
    /// Makes or updates domains and their missing disks. A running domain gets new limits at once and keeps all else that
    /// it has until its next start. Of
    /// those that were `started` before, what a guest wrote must be there.
    ///
    /// Nothing is forced to the disk here: an overlay that a loss of power swallows before a guest wrote to
    /// it is made again at the domain's start, as empty as it was.
    ///
    /// # Errors
    /// Of one domain `disk-lost`, `layer-missing`, `traffic-limits-impossible` and others.
    pub fn define_domains(
        &self,
        specs: &[DomainSpec],
        started: &[Uuid],
        call: &Call,
    ) -> Vec<ItemResult> {
        let inner = &self.inner;
        let define = |spec: &DomainSpec| inner.define(spec, started.contains(&spec.uuid), call);
        batch::run(specs, batch::width(), call, |spec| spec.uuid, define)
    }
}

impl Inner {
    fn define(&self, spec: &DomainSpec, started: bool, call: &Call) -> Result<()> {
        let _claim = self.claims.hold(spec.uuid);
        let virt_type = self.virt_type.get(&self.link)?;
        let connect = self.connect()?;
        let existing = self.find_domain(spec.uuid)?;
        let published = self.disks.published(spec.owner.template)?;
        let (version, fresh, life) = match &existing {
            Some((domain, metadata)) => {
                self.require_kept(spec, Some(metadata))?;
                self.complete_disks(spec, domain, published.as_ref(), call)?;
                // Of another template's disks.
                let is_same = |_: &u32| metadata.spec.owner.template == spec.owner.template;
                (metadata.version.filter(is_same), metadata.fresh, metadata.life)
            }
            None => {
                if started {
                    self.require_kept(spec, None)?;
                }
                self.make_disks(spec, published.as_ref(), call)?;
                (version(spec, published.as_ref()), !started && keeps(spec), None)
            }
        };
        let name = match &existing {
            // A name given once stays, so that logs can be followed; the title follows the desktop's name.
            Some((domain, _)) => domain.name().libvirt("ask for the name of", spec.uuid)?,
            None => xml::domain_name(spec),
        };
        if spec.driver_disk.is_some() {
            self.disks.make_driver_disk(spec)?;
        }
        self.hand_over(spec)?;
        for iso in spec.cds.iter().filter_map(|cd| cd.iso.as_ref()) {
            self.disks.present_layer(iso)?;
        }
        let known = existing.as_ref().map(|(_, metadata)| metadata);
        let spec = &as_it_stands(spec, known, version, published.as_ref());
        self.require_parts(spec)?;
        let machine_type = self.machine_type(spec, existing.as_ref().map(|(d, m)| (d, m)))?;
        let stands = Stands { version, fresh, life, machine_type };
        let rendered = self.render(spec, &name, &virt_type, &stands)?;
        let Some((domain, known)) = existing else {
            define_xml(&connect, &rendered, &spec.owner.name)?;
            return self.disks.keep_driver_disk(spec);
        };
        if states::power(&domain)?.has_process() {
            // First: what is defined so has it, also after a kill in between.
            limits::apply(&domain, spec)?;
        }
        if known.fingerprint == rendered.fingerprint {
            // As far as an agent came that died meanwhile.
            return self.disks.remove_former_nvram(spec, &rendered.fingerprint);
        }
        self.note_former_disks(spec, &known.spec)?;
        if known.spec.hardware.firmware != spec.hardware.firmware {
            // The variables of one firmware are not those of another; what cannot be defined keeps its own.
            self.disks.note_former_nvram(spec, &rendered.fingerprint)?;
        }
        define_xml(&connect, &rendered, &spec.owner.name)?;
        self.disks.remove_former_nvram(spec, &rendered.fingerprint)?;
        match states::power(&domain)?.has_process() {
            true => Ok(()),
            false => {
                self.disks.keep_driver_disk(spec)?;
                self.disks.remove_former(spec)
            }
        }
    }

    /// Disks that the domain had `before` and that were made anew at every start: what is kept is never among them.
    fn note_former_disks(&self, spec: &DomainSpec, before: &DomainSpec) -> Result<()> {
        let is_former =
            |disk: &&DiskSpec| disk.restore && spec.disks.iter().all(|its| its.uuid != disk.uuid);
        let mut former = before.disks.iter().filter(is_former);
        former.try_for_each(|disk| self.disks.note_former(disk, spec.uuid))
    }

    /// Requires the disks that keep what a guest wrote, of a domain that was started: an empty one in the place of a
    /// lost one would hide the loss. `known`: what the domain is by now; `None` when it is not defined any more.
    ///
    /// # Errors
    /// `disk-lost`
    pub(super) fn require_kept(&self, spec: &DomainSpec, known: Option<&Metadata>) -> Result<()> {
        if spec.owner.kind != OwnerKind::Desktop || known.is_some_and(|known| known.fresh) {
            return Ok(());
        }
        let had = |disk: &&DiskSpec| {
            let is_it = |it: &DiskSpec| it.uuid == disk.uuid && !it.restore;
            !disk.restore && known.is_none_or(|known| known.spec.disks.iter().any(is_it))
        };
        for disk in spec.disks.iter().filter(had) {
            if self.disks.overlay_header(disk, spec.uuid)?.is_none() {
                let path = self.disks.overlay_path(disk, spec.uuid)?;
                return Err(Error::conflict("disk-lost")
                    .arg("object", &spec.owner.name)
                    .arg("path", path.display()));
            }
        }
        Ok(())
    }

    fn make_disks(
        &self,
        spec: &DomainSpec,
        published: Option<&TemplateLayers>,
        call: &Call,
    ) -> Result<()> {
        for disk in &spec.disks {
            let below = below(disk, published);
            if spec.owner.kind == OwnerKind::Template {
                self.disks.lift_overlay(disk, spec.uuid, below, call)?;
            }
            self.disks.ensure_overlay(disk, spec.uuid, below)?;
        }
        Ok(())
    }

    /// Disks of a running domain are not touched, only made when missing.
    fn complete_disks(
        &self,
        spec: &DomainSpec,
        domain: &Domain,
        published: Option<&TemplateLayers>,
        call: &Call,
    ) -> Result<()> {
        if !states::power(domain)?.has_process() {
            return self.make_disks(spec, published, call);
        }
        for disk in &spec.disks {
            if self.disks.overlay_header(disk, spec.uuid)?.is_none() {
                self.disks.fresh_overlay(disk, spec.uuid, below(disk, published))?;
            }
        }
        Ok(())
    }

    pub(super) fn render(
        &self,
        spec: &DomainSpec,
        name: &str,
        virt_type: &str,
        stands: &Stands,
    ) -> Result<Rendered> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let path = |disk| self.disks.overlay_path(disk, spec.uuid).map(text);
        let iso = |cd: &CdSpec| {
            cd.iso.as_ref().map(|iso| self.disks.layer_path(iso).map(text)).transpose()
        };
        let driver_disk = spec.driver_disk.map(|_| self.disks.driver_disk_path(spec).map(text));
        let driver_disk = driver_disk.transpose()?;
        let connect = self.connect()?;
        xml::domain(
            spec,
            &Setting {
                virt_type,
                name,
                machine_type: stands.machine_type.as_deref(),
                paths: &spec.disks.iter().map(path).collect::<Result<Vec<_>>>()?,
                isos: &spec.cds.iter().map(iso).collect::<Result<Vec<_>>>()?,
                driver_disk: driver_disk.as_deref(),
                seed: &self.disks.seed_path(spec).map(text)?,
                nvram: &self.disks.nvram_path(spec).map(text)?,
                version: stands.version,
                fresh: stands.fresh,
                life: stands.life,
                own_disks: self.qemu_user.get(&connect)?.is_some(),
                abilities: self.abilities(&connect)?,
            },
        )
    }

    /// What this node has to have for the machine.
    ///
    /// # Errors
    /// See [`firmware::require`], [`Inner::require_spice`], [`Inner::require_traffic_control`] and [`Inner::require_cpu`]
    pub(super) fn require_parts(&self, spec: &DomainSpec) -> Result<()> {
        if self.link.is_simulator() {
            return Ok(());
        }
        firmware::require(&spec.hardware)?;
        self.require_spice(spec)?;
        self.require_traffic_control(spec)?;
        self.require_cpu(spec, &self.virt_type.get(&self.link)?)
    }

    /// See [`hardware::MachineTypes::choose`]; none in the simulator, which has no machine types.
    fn machine_type(
        &self,
        spec: &DomainSpec,
        existing: Option<(&Domain, &Metadata)>,
    ) -> Result<Option<String>> {
        if self.link.is_simulator() {
            return Ok(None);
        }
        let known = match existing {
            None => None,
            Some((_, Metadata { machine_type: Some(known), .. })) => Some(known.clone()),
            // libvirt wrote down which it was when it was defined.
            Some((domain, _)) => hardware::machine_type(domain, spec.uuid)?,
        };
        let connect = self.connect()?;
        let (_, qemu) = self.programs.versions(&connect)?;
        let chosen =
            self.machine_types.choose(&connect, qemu, spec.hardware.chipset, known.as_deref())?;
        if let Some(known) = known.filter(|known| *known != chosen)
            && hardware::is_of(&known, spec.hardware.chipset)
        {
            self.events.send(Event::MachineTypeReplaced {
                uuid: spec.uuid,
                name: spec.owner.name.clone(),
                from: known,
                to: chosen.clone(),
            });
        }
        Ok(Some(chosen))
    }

    /// Defines a domain again whose disks or spec changed.
    pub(super) fn redefine(
        &self,
        domain: &Domain,
        metadata: &Metadata,
        spec: &DomainSpec,
        (version, fresh, life): (Option<u32>, bool, Option<i64>),
    ) -> Result<()> {
        let connect = self.connect()?;
        let virt_type = self.virt_type.get(&self.link)?;
        let name = domain.name().libvirt("ask for the name of", spec.uuid)?;
        let machine_type = self.machine_type(spec, Some((domain, metadata)))?;
        let stands = Stands { version, fresh, life, machine_type };
        let rendered = self.render(spec, &name, &virt_type, &stands)?;
        if rendered.fingerprint == metadata.fingerprint {
            return Ok(());
        }
        define_xml(&connect, &rendered, &spec.owner.name).map(drop)
    }
}

/// The spec with the hardware that goes with the version that the domain stands on: what is made anew at every start has
/// that of its template's version, and keeps it until it is made anew again.
fn as_it_stands(
    spec: &DomainSpec,
    known: Option<&Metadata>,
    version: Option<u32>,
    published: Option<&TemplateLayers>,
) -> DomainSpec {
    let mut spec = spec.clone();
    if version.is_some() && spec.is_made_anew() {
        let hardware = match known {
            Some(known) => Some(&known.spec.hardware),
            None => published.map(|published| &published.hardware),
        };
        spec.hardware = hardware.unwrap_or(&spec.hardware).clone();
    }
    spec
}

/// What a domain is besides its spec.
pub(super) struct Stands {
    version: Option<u32>,
    fresh: bool,
    life: Option<i64>,
    machine_type: Option<String>,
}

fn define_xml(connect: &Connect, rendered: &Rendered, name: &str) -> Result<Domain> {
    connect.define_domain_xml(&rendered.xml).libvirt("define", name)
}

/// Whether it is a desktop with a disk that keeps what is written.
fn keeps(spec: &DomainSpec) -> bool {
    spec.owner.kind == OwnerKind::Desktop && spec.disks.iter().any(|disk| !disk.restore)
}

/// What a disk's new overlay is made on.
pub(super) fn below<'a>(disk: &'a DiskSpec, published: Option<&'a TemplateLayers>) -> &'a LayerRef {
    let current = published.filter(|_| disk.restore);
    current.and_then(|layers| layers.disks.get(&disk.uuid)).unwrap_or(&disk.below)
}

/// The template's published version when new overlays of all disks stand on its layers.
pub(super) fn version(spec: &DomainSpec, published: Option<&TemplateLayers>) -> Option<u32> {
    let published = published?;
    let stands =
        |disk: &DiskSpec| published.disks.get(&disk.uuid) == Some(below(disk, Some(published)));
    spec.disks.iter().all(stands).then_some(published.version)
}
