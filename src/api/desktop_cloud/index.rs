//! 主页: counts, charts and the operation log.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node_view::two_digits;
use crate::api::answer::Data;
use crate::api::audit_log::{self, LogFilters};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Scope, get, post};
use crate::api::input::NoInput;
use crate::api::input::{Listed, Paging};
use crate::api::listing::listed;
use crate::api::{App, input, time};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::monitor::{DiskUse, NodeFigures, Statistic, TopData};
use crate::operations::audit::{self, Line};
use crate::store::list::Page;
use crate::store::{LineId, UserId, now};

/// Seconds that the charts average over.
const PERIOD: std::ops::Range<u64> = 2..60;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("vdi.index.top-data", "/api/v1.0/index/get_top_data/", top_data)
            .needs(Permission::OverviewView)
            .summary("The five busiest nodes in four charts"),
        get("vdi.index.resource-statistic", "/api/v1.0/index/get_resource_statistic/", statistic)
            .needs_in(Permission::OverviewView, Scope::Group)
            .summary("Counts of nodes, desktops, pools and alarms; for who sees some education groups only, of their desktops"),
        get("vdi.index.operation-log", "/api/v1.0/index/get_operation_log/", operation_log)
            .needs(Permission::AuditView)
            .summary("Who did what, newest first"),
    ]
}

/// A page of the operation log.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct LogInput {
    #[serde(flatten)]
    paging: Paging,
    #[serde(flatten)]
    filters: LogFilters,
    /// Shows a request together with the end of the operation that it started.
    request_id: Option<Listed<String>>,
}

/// A line of the operation log.
#[derive(Debug, Serialize, JsonSchema)]
struct LogLine {
    id: LineId,
    user_id: Option<UserId>,
    user_name: String,
    user_ip: Option<String>,
    /// What was done, in the reader's language.
    content: String,
    /// How it went, in the reader's language.
    result: String,
    /// Null while it is not known.
    succeeded: Option<bool>,
    module: String,
    request_id: String,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    /// The same time under the name of the document's table.
    create_at: String,
    updated_at: String,
}

fn operation_log(app: &App, call: &mut Call, _: LogInput) -> Result<Page<LogLine>> {
    let language = call.language;
    let view = |line: Line| {
        let (at, succeeded) = (time::text(line.at), line.succeeded());
        let (content, result) = audit_log::words(&app.language, language, &line);
        LogLine {
            id: line.id,
            user_id: line.user_id,
            user_name: line.user_name,
            user_ip: line.user_ip,
            content,
            result,
            succeeded,
            module: line.module,
            request_id: line.request_id,
            deleted: 0,
            deleted_at: None,
            created_at: at.clone(),
            create_at: at.clone(),
            updated_at: at,
        }
    };
    listed(audit_log::query(call)?, |query| Ok(audit::list(&app.store, &query)?.map(view)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct TopInput {
    /// Seconds to average over, more than 1 and less than 60.
    #[serde(deserialize_with = "input::integer")]
    statis_period: i64,
}

/// The busiest nodes, highest first, at most five in each chart. Percentages are text.
#[derive(Debug, Serialize, JsonSchema)]
struct TopView {
    /// Unix seconds.
    utc: i64,
    /// Name, percent.
    cpu_util: Vec<(String, String)>,
    /// Name, percent, bytes in all, bytes used.
    disk_util: Vec<(String, String, u64, u64)>,
    /// Name, percent.
    memory_util: Vec<(String, String)>,
    /// Name, bytes per second on average and at most, of the management network card.
    nic_util: Vec<(String, u64, u64)>,
}

fn top_data(app: &App, _: &mut Call, given: TopInput) -> Result<Data<TopView>> {
    let period = u64::try_from(given.statis_period).ok().filter(|p| PERIOD.contains(p));
    let wrong = || Error::bad_input("statis-period-wrong").arg("field", "statis_period");
    let top = app.monitor.top(Duration::from_secs(period.ok_or_else(wrong)?))?;
    let TopData { cpu, memory, disk, nic } = top;
    let disk_row = |node: NodeFigures| {
        let DiskUse { total, used } = node.disk;
        (node.name, two_digits(node.disk.percent()), total, used)
    };
    Ok(Data(TopView {
        utc: now(),
        cpu_util: cpu.into_iter().map(|n| (n.name, two_digits(n.cpu))).collect(),
        disk_util: disk.into_iter().map(disk_row).collect(),
        memory_util: memory.into_iter().map(|n| (n.name, two_digits(n.memory))).collect(),
        nic_util: nic.into_iter().map(|n| (n.name, n.nic.average, n.nic.highest)).collect(),
    }))
}

/// Counts of the first page.
#[derive(Debug, Serialize, JsonSchema)]
struct StatisticView {
    /// Nodes whose agent and hypervisor answer.
    online_node_cnt: u32,
    sum_node_cnt: u32,
    /// Running desktops.
    online_instance_cnt: u32,
    sum_instance_cnt: u32,
    /// Terminals are not counted in this version: 0.
    online_terminal_cnt: u32,
    sum_terminal_cnt: u32,
    resource_pool_cnt: u32,
    /// Nodes that do not answer.
    alarm_node_cnt: u32,
    /// Alarms are not recorded in this version: 0.
    alarm_records_cnt: u32,
    /// Always 1, the full version: there is no licence to buy.
    license_status: u8,
    /// Always 0: nothing runs out.
    trial_days: u32,
    /// Always 0: the number of terminals is not limited.
    license_terminal_cnt: u32,
}

fn statistic(app: &App, call: &mut Call, _: NoInput) -> Result<Data<StatisticView>> {
    let Statistic { nodes, nodes_active, desktops, desktops_running, pools } =
        app.monitor.statistic(&call.visible)?;
    Ok(Data(StatisticView {
        online_node_cnt: nodes_active,
        sum_node_cnt: nodes,
        online_instance_cnt: desktops_running,
        sum_instance_cnt: desktops,
        online_terminal_cnt: 0,
        sum_terminal_cnt: 0,
        resource_pool_cnt: pools,
        alarm_node_cnt: nodes - nodes_active.min(nodes),
        alarm_records_cnt: 0,
        license_status: 1,
        trial_days: 0,
        license_terminal_cnt: 0,
    }))
}
