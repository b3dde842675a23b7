//! Networks of the node: NAT networks with addresses by reservation, and bridges.
//!
//! ```text
//!   mod.rs      makes, updates, removes                plan.rs     from a spec to libvirt's definition
//!   reserve.rs  adds and takes away reservations       dnsmasq.rs  reservations of a running network
//!   lease.rs    gives back what a guest had leased     bridges.rs  finds the bridge on an uplink
//!   mend.rs     brings back what somebody stopped       keep.rs     reservations of guests that run
//! ```

use std::sync::{MutexGuard, PoisonError};

use uuid::Uuid;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::network::Network;
use virt::sys;

pub use self::dnsmasq::Told;
use self::plan::Stored;
use super::errors::{Libvirt, is_code, optional};
use super::metadata::Metadata;
use super::xml::NetworkView;
use super::{Hypervisor, Inner, metadata, states, xml};
use crate::error::{Error, Kind, Result};
use crate::node::protocol::NetworkSpec;

mod bridges;
mod dnsmasq;
mod keep;
mod lease;
mod mend;
mod plan;
mod reserve;

impl Hypervisor {
    /// Makes or updates a network with its reservations and starts it. Reservations and names change while guests use
    /// it; other changes only while none does, because libvirt has to take the network down for them. Reservations of
    /// guests that run stay, also those that the spec does not name.
    ///
    /// # Errors
    /// `network-in-use` with the names of the guests; `bridge-missing`; `network-foreign` when someone else's
    /// network has this uuid. The network is as it was then.
    pub fn ensure_network(&self, spec: &NetworkSpec) -> Result<()> {
        let mut told = self.inner.network_order();
        self.inner.ensure_network(spec, &mut told)
    }

    /// An absent one counts as removed.
    ///
    /// # Errors
    /// `network-in-use` with the names of the guests.
    pub fn remove_network(&self, uuid: Uuid) -> Result<()> {
        let _order = self.inner.network_order();
        let Some((network, stored)) = self.inner.find_network(uuid)? else { return Ok(()) };
        let name = &stored.spec.name;
        self.inner.refuse_in_use(uuid, name)?;
        take_down(&network, name)?;
        match network.undefine() {
            Err(cause) if is_code(&cause, ErrorNumber::NoNetwork) => Ok(()),
            undefined => undefined.libvirt("undefine network", name),
        }
    }

    /// The networks of this installation.
    pub fn list_networks(&self) -> Result<Vec<Uuid>> {
        let all = self
            .inner
            .connect()?
            .list_all_networks(0)
            .libvirt("list the networks of", "libvirt")?;
        let start = xml::network_name_start(self.inner.config.installation);
        let mut ours = Vec::new();
        for network in &all {
            if network.name().libvirt("ask for the name of", "a network")?.starts_with(&start) {
                ours.push(network.uuid().libvirt("ask for the uuid of", "a network")?);
            }
        }
        Ok(ours)
    }
}

impl Inner {
    fn network_order(&self) -> MutexGuard<'_, Told> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ensure_network(&self, spec: &NetworkSpec, told: &mut Told) -> Result<()> {
        let found = self.find_network(spec.uuid)?;
        let known = found.as_ref().map(|(_, stored)| stored.spec.hosts.as_slice());
        let hosts = self.with_running(spec.uuid, known.unwrap_or_default(), spec.hosts.clone())?;
        let spec = &NetworkSpec { hosts, ..spec.clone() };
        let view = plan::view(spec, self.config.installation)?;
        let definition = xml::network(&view)?;
        match found {
            None => {
                let network = self.make_network(spec, &view, &definition)?;
                self.serve_reservations(&network, spec, &view, &[], told)
            }
            Some((network, stored)) if plan::same_structure(&stored, spec, &view) => {
                if !plan::same_definition(&stored, spec, &view) {
                    self.define_network(&definition, &spec.name)?;
                }
                self.bring_up(&network, &view)?;
                self.plug_in_again(&view)?;
                self.serve_reservations(&network, spec, &view, &stored.spec.hosts, told)
            }
            Some((network, stored)) => {
                let network = self.replace_network(&network, &stored, &view, &definition)?;
                self.serve_reservations(&network, spec, &view, &stored.spec.hosts, told)
            }
        }
    }

    fn make_network(
        &self,
        spec: &NetworkSpec,
        view: &NetworkView,
        definition: &str,
    ) -> Result<Network> {
        let network = self.define_network(definition, &spec.name)?;
        let up = self.bring_up(&network, view);
        if up.is_err()
            && let Err(cause) = network.undefine()
        {
            tracing::error!(name = spec.name, %cause, "a network that does not start was left");
        }
        up.map(|()| network)
    }

    /// Takes the network down and makes it anew; back to the old definition when the new does not work.
    fn replace_network(
        &self,
        network: &Network,
        stored: &Stored,
        view: &NetworkView,
        definition: &str,
    ) -> Result<Network> {
        self.refuse_in_use(view.uuid, &stored.spec.name)?;
        let old = self.stored_network(network)?;
        let old_view = plan::view(&stored.spec, self.config.installation)?;
        take_down(network, &stored.spec.name)?;
        let made = self
            .define_network(definition, &view.title)
            .and_then(|network| self.bring_up(&network, view).map(|()| network));
        if made.is_err() {
            let restored = self
                .define_network(&old, &stored.spec.name)
                .and_then(|network| self.bring_up(&network, &old_view));
            if let Err(error) = restored {
                tracing::error!(name = stored.spec.name, error = error.detail(), "network is down");
            }
        }
        made
    }

    fn define_network(&self, definition: &str, name: &str) -> Result<Network> {
        self.connect()?.define_network_xml(definition).libvirt("define network", name)
    }

    /// # Errors
    /// `network-over-another` when the machine itself is in, or has a route into, one of its subnets: what goes there
    /// would end in the network.
    fn bring_up(&self, network: &Network, view: &NetworkView) -> Result<()> {
        let name = &view.title;
        if !network.is_active().libvirt("look at network", name)? {
            self.refuse_taken_addresses(view)?;
            network.create().libvirt("start network", name)?;
        }
        if !network.autostart().libvirt("look at network", name)? {
            network.set_autostart(true).libvirt("set the autostart of network", name)?;
        }
        Ok(())
    }

    /// The definition that starts next. The simulator gives no other than the current one.
    fn stored_network(&self, network: &Network) -> Result<String> {
        let flags = if self.link.is_simulator() { 0 } else { sys::VIR_NETWORK_XML_INACTIVE };
        network.xml_desc(flags).libvirt("read the definition of", "a network")
    }

    /// # Errors
    /// `network-foreign` when the network is not of this installation.
    fn find_network(&self, uuid: Uuid) -> Result<Option<(Network, Stored)>> {
        let found = self.connect()?.lookup_network_by_uuid(uuid);
        let found = optional(found, ErrorNumber::NoNetwork, "look for network", uuid)?;
        let Some(network) = found else { return Ok(None) };
        match plan::parse(&self.stored_network(&network)?)?
            .filter(|it| it.installation == self.config.installation)
        {
            Some(stored) => Ok(Some((network, stored))),
            None => {
                let name = network.name().libvirt("ask for the name of network", uuid)?;
                Err(Error::conflict("network-foreign").arg("object", name))
            }
        }
    }

    /// # Errors
    /// `network-in-use` when a running guest has a NIC on it; `stored-damaged` and `stored-newer` when that of one
    /// cannot be told.
    fn refuse_in_use(&self, uuid: Uuid, name: &str) -> Result<()> {
        let mut users = Vec::new();
        let domains =
            self.connect()?.list_all_domains(0).libvirt("list the domains of", "libvirt")?;
        for domain in &domains {
            let Some(metadata) = self.running_guest(domain)? else { continue };
            // Of one that cannot be read nobody knows which networks it uses.
            let spec = metadata?.spec;
            if spec.nics.iter().any(|nic| nic.network == uuid) {
                users.push(spec.owner.name);
            }
        }
        if users.is_empty() {
            return Ok(());
        }
        users.sort();
        let users = users.join(", ");
        Err(Error::conflict("network-in-use").arg("object", name).arg("users", users))
    }

    /// What is noted of a guest of this installation that runs, if it can be read; `None` for every other domain.
    fn running_guest(&self, domain: &Domain) -> Result<Option<Result<Metadata>>> {
        let marked = match metadata::read(domain, metadata::Which::Current) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            read => read?,
        };
        match marked.filter(|marked| self.may_be_ours(marked)) {
            Some(marked) if states::power(domain)?.has_process() => Ok(Some(marked.metadata)),
            _ => Ok(None),
        }
    }

    /// After libvirt was away: it has given its running networks the reservations that it knew of when they
    /// were started. And somebody may have stopped one.
    pub(super) fn refresh_networks(&self) -> Result<()> {
        let mut told = self.network_order();
        let all =
            self.connect()?.list_all_networks(0).libvirt("list the networks of", "libvirt")?;
        for network in &all {
            if let Err(error) = self.refresh_network(network, &mut told) {
                let name = network.name().unwrap_or_default();
                tracing::error!(name, error = error.detail(), "a network is not as it should be");
            }
        }
        Ok(())
    }

    fn refresh_network(&self, network: &Network, told: &mut Told) -> Result<()> {
        let stored = plan::parse(&self.stored_network(network)?)?;
        let Some(stored) = stored.filter(|it| it.installation == self.config.installation) else {
            return Ok(());
        };
        let view = plan::view(&stored.spec, self.config.installation)?;
        if !network.is_active().libvirt("look at network", &view.title)? {
            tracing::warn!(name = view.title, "a network was stopped and is started again");
        }
        self.bring_up(network, &view)?;
        self.plug_in_again(&view)?;
        self.serve_reservations(network, &stored.spec, &view, &stored.spec.hosts, told)
    }
}

fn take_down(network: &Network, name: &str) -> Result<()> {
    match network.destroy() {
        Err(cause) if is_code(&cause, ErrorNumber::OperationInvalid) => Ok(()),
        destroyed => destroyed.libvirt("stop network", name),
    }
}
