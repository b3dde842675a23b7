//! Where a new template is to be: pool, node, network and address.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use uuid::Uuid;

use super::{Classify, Power, Template, TemplateState, Templates};
use crate::desktops::spec::Storages;
use crate::error::{Error, Result};
use crate::images::{self, Image};
use crate::inventory::{FIRST_CONNECTION, Node};
use crate::networks::Subnet;
use crate::node::protocol::{Hardware, PowerState};
use crate::operations::Actor;
use crate::store::{PoolId, TemplateId, now};

/// Where a template is to be and how it is reached.
#[derive(Debug, Clone)]
pub struct Place {
    pub pool: Uuid,
    pub network: Uuid,
    pub subnet: Uuid,
    /// `None`: any free address.
    pub address: Option<Ipv4Addr>,
}

impl Templates {
    /// Looks up the place and chooses the node.
    pub(super) fn site(&self, place: &Place, image: Option<&Image>) -> Result<Site> {
        let pool = self.inventory.pool(place.pool)?;
        let subnet = self.subnet_of(place.network, place.subnet)?;
        let mut nodes = self.inventory.compute_nodes(pool.id)?;
        let with_image = match image {
            Some(image) => self.store.read(|conn| images::ready_nodes(conn, image.uuid))?,
            None => HashSet::new(),
        };
        let has_image = |node: &Node| image.is_none() || with_image.contains(&node.id);
        // A node that is up before one that is not, then one that has the image, then the oldest.
        nodes.sort_by_cached_key(|node| {
            (self.inventory.why_unfit(node.id).is_some(), !has_image(node), node.id)
        });
        let node = nodes.into_iter().next();
        let node = node.ok_or_else(|| {
            Error::conflict("pool-without-node").arg("field", "pool_uuid").arg("name", &pool.name)
        })?;
        self.inventory.client_within(node.id, FIRST_CONNECTION)?;
        let storages = self.storages(node.id)?;
        Ok(Site { pool_id: pool.id, node, subnet, storages })
    }

    /// The subnet, which must belong to the network.
    pub(super) fn subnet_of(&self, network: Uuid, subnet: Uuid) -> Result<Subnet> {
        let network = self.networks.find(network)?;
        let subnet = self.networks.subnet(subnet)?;
        if subnet.network_id != network.id {
            let error = Error::bad_input("subnet-of-other-network").arg("field", "subnet_uuid");
            return Err(error.arg("name", subnet.name).arg("network", network.name));
        }
        self.networks.check_usable(&network)?;
        Ok(subnet)
    }
}

/// A place that was looked up, and the node that was chosen.
pub(super) struct Site {
    pub pool_id: PoolId,
    pub node: Node,
    pub subnet: Subnet,
    pub storages: Storages,
}

impl Site {
    /// What the place says of a new template.
    pub fn template(&self, actor: &Actor) -> Template {
        Template {
            id: TemplateId::UNWRITTEN,
            uuid: Uuid::new_v4(),
            name: String::new(),
            desc: String::new(),
            os_type: String::new(),
            classify: Classify::Education,
            pool_id: self.pool_id,
            node_id: self.node.id,
            network_id: self.subnet.network_id,
            subnet_id: self.subnet.id,
            vcpu: 1,
            memory_mib: 0,
            hardware: Hardware::first(),
            base_image: None,
            version: 0,
            state: TemplateState::Creating,
            fault: None,
            editing: false,
            changed: false,
            power: Power(PowerState::Off),
            power_reason: String::new(),
            owner_name: actor.name.clone(),
            saved_at: None,
            created_at: now(),
            updated_at: None,
        }
    }
}
