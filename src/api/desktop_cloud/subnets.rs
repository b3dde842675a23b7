//! 数据网络子网: subnets of data networks.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::batch::Made;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, delete, get, post, put};
use crate::api::input::List;
use crate::api::listing::listed;
use crate::api::uuids::Uuids;
use crate::api::{App, input, time};
use crate::error::Result;
use crate::identity::Permission;
use crate::networks::{Plan, Subnet, SubnetEdit, address_of, cidr, netmask_of, prefix_of};
use crate::operations::BatchSubmission;
use crate::store::SubnetId;
use crate::store::list::Page;

const PATH: &str = "/api/v1.0/resource_mgr/data_networks/{data_network_uuid}/sub_networks";
const ONE: &str =
    "/api/v1.0/resource_mgr/data_networks/{data_network_uuid}/sub_networks/{sub_network_uuid}";
const MODULE: &str = "data_network";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.data-networks.subnets-list", PATH, list)
            .needs(Permission::NetworksView)
            .summary("Subnets of a data network"),
        post("vdi.data-networks.subnet-create", PATH, create)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-subnet-create")
            .summary("Add a range of addresses to a data network"),
        put("vdi.data-networks.subnet-edit", ONE, edit)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-subnet-edit")
            .summary("Change a subnet; addresses in use must stay inside"),
        delete("vdi.data-networks.subnets-delete", PATH, remove)
            .needs(Permission::NetworksManage)
            .audited(MODULE, "log-subnet-delete")
            .summary("Delete subnets that nothing uses"),
    ]
}

/// A subnet to be made.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SubnetInput {
    name: String,
    start_ip: String,
    end_ip: String,
    /// Like 255.255.255.0.
    netmask: String,
    gateway: String,
    dns1: String,
    #[serde(default, deserialize_with = "input::optional_text")]
    dns2: Option<String>,
}

impl SubnetInput {
    /// Reads the texts; whether the subnet fits is not decided here.
    pub fn plan(self) -> Result<Plan> {
        Ok(Plan {
            name: input::name("name", &self.name)?,
            start: address_of("start_ip", &self.start_ip)?,
            end: address_of("end_ip", &self.end_ip)?,
            prefix: prefix_of(&self.netmask)?,
            gateway: address_of("gateway", &self.gateway)?,
            dns1: address_of("dns1", &self.dns1)?,
            dns2: self.dns2.map(|dns| address_of("dns2", &dns)).transpose()?,
        })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EditInput {
    name: Option<String>,
    #[serde(default, deserialize_with = "input::optional_text")]
    start_ip: Option<String>,
    #[serde(default, deserialize_with = "input::optional_text")]
    end_ip: Option<String>,
    #[serde(default, deserialize_with = "input::optional_text")]
    netmask: Option<String>,
    #[serde(default, deserialize_with = "input::optional_text")]
    gateway: Option<String>,
    #[serde(default, deserialize_with = "input::optional_text")]
    dns1: Option<String>,
    /// Empty: none.
    dns2: Option<String>,
}

/// A subnet.
#[derive(Debug, Serialize, JsonSchema)]
struct SubnetView {
    id: SubnetId,
    uuid: Uuid,
    name: String,
    netmask: Ipv4Addr,
    gateway: Ipv4Addr,
    cidr: String,
    start_ip: Ipv4Addr,
    end_ip: Ipv4Addr,
    dns1: Ipv4Addr,
    /// Empty when there is none.
    dns2: String,
    /// Addresses that templates and desktops have.
    used_count: u32,
    /// Uuid of its data network.
    network: Uuid,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    updated_at: Option<String>,
}

impl From<Subnet> for SubnetView {
    fn from(subnet: Subnet) -> Self {
        let Subnet {
            id,
            uuid,
            network_id: _,
            network_uuid,
            name,
            start,
            end,
            prefix,
            gateway,
            dns1,
            dns2,
            created_at,
            updated_at,
            used_count,
        } = subnet;
        Self {
            id,
            uuid,
            name,
            netmask: netmask_of(prefix),
            gateway,
            cidr: cidr(start, prefix).to_string(),
            start_ip: start,
            end_ip: end,
            dns1,
            dns2: dns2.as_ref().map(Ipv4Addr::to_string).unwrap_or_default(),
            used_count,
            network: network_uuid,
            deleted: 0,
            deleted_at: None,
            created_at: time::text(created_at),
            updated_at: time::optional(updated_at),
        }
    }
}

fn second_dns(text: String) -> Result<Option<Ipv4Addr>> {
    match text.trim() {
        "" => Ok(None),
        text => address_of("dns2", text).map(Some),
    }
}

fn list(app: &App, call: &mut Call, _: List) -> Result<Page<SubnetView>> {
    let network = call.uuid("data_network_uuid")?;
    listed(call.list_query()?, |query| {
        let page = app.networks.list_subnets(network, query)?;
        Ok(page.map(SubnetView::from))
    })
}

fn create(app: &App, call: &mut Call, given: SubnetInput) -> Result<Made<SubnetView>> {
    call.about(&given.name);
    let network = call.uuid("data_network_uuid")?;
    let plan = given.plan()?;
    let (subnet, operation) = app.networks.create_subnet(&call.actor, network, &plan)?;
    Ok(Made(operation, subnet.into()))
}

fn edit(app: &App, call: &mut Call, given: EditInput) -> Result<Made<SubnetView>> {
    let network = call.uuid("data_network_uuid")?;
    let uuid = call.uuid("sub_network_uuid")?;
    call.about(uuid.to_string());
    call.about(app.networks.subnet(uuid)?.name);
    let address =
        |field, text: Option<String>| text.map(|text| address_of(field, &text)).transpose();
    let edit = SubnetEdit {
        name: given.name.map(|name| input::name("name", &name)).transpose()?,
        start: address("start_ip", given.start_ip)?,
        end: address("end_ip", given.end_ip)?,
        prefix: given.netmask.map(|mask| prefix_of(&mask)).transpose()?,
        gateway: address("gateway", given.gateway)?,
        dns1: address("dns1", given.dns1)?,
        dns2: given.dns2.map(second_dns).transpose()?,
    };
    let (subnet, operation) = app.networks.edit_subnet(&call.actor, network, uuid, &edit)?;
    Ok(Made(operation, subnet.into()))
}

fn remove(app: &App, call: &mut Call, given: Uuids) -> Result<BatchSubmission> {
    let network = call.uuid("data_network_uuid")?;
    let uuids = given.about(call, |uuid| Ok(app.networks.subnet(uuid)?.name))?;
    app.networks.delete_subnets(&call.actor, network, &uuids)
}
