//! The reservations of a running network.
//!
//! dnsmasq reads them from a file that libvirt writes when it starts the network, and again on SIGHUP. The same file is
//! written here with what libvirt's stored definition says. When libvirt starts again it writes what it knew
//! when the network was started; the agent, which sees that, corrects it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process;
use uuid::Uuid;
use virt::network::Network;
use virt::sys;

use super::plan;
use crate::error::{Context, Error, Result};
use crate::node::agent::files;
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::agent::libvirt::events::Signal as News;
use crate::node::agent::libvirt::xml::{self, HostView, NatView};
use crate::node::protocol::{DhcpHost, NetworkSpec};

/// A dnsmasq that ends sooner will end again.
const SHORT_LIFE: Duration = Duration::from_secs(10);

/// Where libvirt's system daemon keeps the configuration of the dnsmasq of each network.
const CONFIGURATIONS: &str = "/var/lib/libvirt/dnsmasq";

/// The processes that this agent told what their files say now, by network. What an earlier agent wrote it perhaps
/// did not come to tell.
pub struct Told {
    processes: HashMap<Uuid, Pid>,
    /// Hears when one of them ends.
    sink: Sender<News>,
}

impl Told {
    pub fn new(sink: Sender<News>) -> Self {
        Self { processes: HashMap::new(), sink }
    }

    fn has(&self, network: Uuid, process: Pid) -> bool {
        self.processes.get(&network) == Some(&process)
    }

    fn note(&mut self, network: Uuid, process: Pid) -> Result<()> {
        if self.has(network, process) {
            return Ok(());
        }
        let id = process::Pid::from_raw(process.as_raw())
            .ok_or_else(|| Error::internal("a process without a number"))?;
        let handle = process::pidfd_open(id, process::PidfdFlags::empty())
            .context("watch the dnsmasq of a network")?;
        let sink = self.sink.clone();
        thread::Builder::new()
            .name("dnsmasq-watch".to_owned())
            .spawn(move || watch(&handle, network, &sink))
            .context("start a thread to watch dnsmasq")?;
        self.processes.insert(network, process);
        Ok(())
    }
}

/// Until the process ends. One that does not live long is not started again here: the controller does, after pauses.
fn watch(handle: &OwnedFd, network: Uuid, sink: &Sender<News>) {
    let began = Instant::now();
    let mut ends = [PollFd::new(handle, PollFlags::IN)];
    while let Err(Errno::INTR) = poll(&mut ends, None) {}
    let at_once = began.elapsed() < SHORT_LIFE;
    // Nobody listens when the agent is about to end.
    let _ = sink.send(News::DhcpEnded { network, at_once });
}

/// Tells the network's dnsmasq its reservations; one that ended is started again.
pub fn serve(
    network: &Network,
    name: &str,
    nat: &NatView,
    spec: &NetworkSpec,
    told: &mut Told,
) -> Result<()> {
    let configuration = Path::new(CONFIGURATIONS).join(format!("{name}.conf"));
    if !files::exists(&configuration)? {
        // Another libvirt than the system's, or one that keeps its files elsewhere.
        return update_by_libvirt(network, spec.uuid, &spec.hosts);
    }
    let running = match Running::find(&configuration)? {
        Some(running) => running,
        None => start_again(network, nat, &configuration, &spec.name)?,
    };
    let content = hosts_file(nat);
    let is_written = is_told(&running.hosts_file, &content);
    if is_written && told.has(spec.uuid, running.process) {
        return Ok(());
    }
    if !is_written {
        let temporary = running.hosts_file.with_extension("carrel");
        files::remove_if_there(&temporary)?;
        files::write_durably(&temporary, &running.hosts_file, content.as_bytes(), 0o644)?;
    }
    kill(running.process, Signal::SIGHUP).context("tell dnsmasq its reservations")?;
    told.note(spec.uuid, running.process)
}

/// Guests made from one image have one DHCP client id, and would take each other's address by it: only the MAC counts.
fn hosts_file(nat: &NatView) -> String {
    let mut content = String::new();
    for HostView { mac, address, name, tag } in nat.gateways.iter().flat_map(|it| &it.hosts) {
        let tag = tag.as_ref().map(|tag| format!("set:{tag},")).unwrap_or_default();
        let separator = if name.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = writeln!(content, "{mac},id:*,{tag}{address}{separator}{name}");
    }
    content
}

/// libvirt looks whether its dnsmasq runs, and starts one that does not, when it takes an update of a reservation.
///
/// # Errors
/// `network-without-dhcp`
fn start_again(
    network: &Network,
    nat: &NatView,
    configuration: &Path,
    name: &str,
) -> Result<Running> {
    tracing::warn!(name, "the dnsmasq of a network ended and is started again");
    let own = nat.gateways.iter().flat_map(|gateway| &gateway.hosts).next();
    if let Some(own) = own {
        update(network, sys::VIR_NETWORK_UPDATE_COMMAND_MODIFY, own)?;
    }
    Running::find(configuration)?
        .ok_or_else(|| Error::conflict("network-without-dhcp").arg("object", name))
}

/// Whether the file says just this to dnsmasq, which reads it as a user of its own. Older agents left it closed where
/// their umask was strict.
fn is_told(hosts_file: &Path, content: &str) -> bool {
    const READABLE: u32 = 0o004;
    fs::metadata(hosts_file).is_ok_and(|meta| meta.permissions().mode() & READABLE != 0)
        && fs::read_to_string(hosts_file).is_ok_and(|known| known == content)
}

/// A dnsmasq that libvirt started.
struct Running {
    hosts_file: PathBuf,
    process: Pid,
}

impl Running {
    /// `None` when there is no such process.
    fn find(configuration: &Path) -> Result<Option<Self>> {
        if !files::exists(configuration)? {
            return Ok(None);
        }
        let content = fs::read_to_string(configuration)
            .context(format_args!("read {}", configuration.display()))?;
        let setting = |name: &str| {
            content.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let (Some(hosts_file), Some(pid_file)) = (setting("dhcp-hostsfile"), setting("pid-file"))
        else {
            return Ok(None);
        };
        let Some(process) = process(Path::new(pid_file), configuration) else { return Ok(None) };
        Ok(Some(Self { hosts_file: PathBuf::from(hosts_file), process }))
    }
}

/// The process of a pid file, if it is the one that was started with this configuration.
fn process(pid_file: &Path, configuration: &Path) -> Option<Pid> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let configuration = configuration.to_str()?;
    command.contains(configuration).then(|| Pid::from_raw(pid))
}

/// The slow way: one update of libvirt's for each reservation.
pub fn update_by_libvirt(network: &Network, uuid: Uuid, hosts: &[DhcpHost]) -> Result<()> {
    let live = network.xml_desc(0).libvirt("read the definition of", "a network")?;
    let live: HashSet<DhcpHost> = plan::parse_hosts(&live, uuid)?.into_iter().collect();
    let wanted: HashSet<DhcpHost> = hosts.iter().cloned().collect();
    for host in live.difference(&wanted) {
        update(network, sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, &plan::host_view(host))?;
    }
    for host in wanted.difference(&live) {
        update(network, sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, &plan::host_view(host))?;
    }
    Ok(())
}

fn update(network: &Network, command: sys::virNetworkUpdateCommand, host: &HostView) -> Result<()> {
    network
        .update(
            command,
            sys::VIR_NETWORK_SECTION_IP_DHCP_HOST,
            -1,
            &xml::host(host)?,
            sys::VIR_NETWORK_UPDATE_AFFECT_LIVE,
        )
        .libvirt("change a reservation of", "a network")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_known_by_its_mac_alone() {
        let host = |tag: Option<&str>, name: &str| HostView {
            mac: "52:54:00:00:00:01".to_owned(),
            address: [10, 9, 0, 10].into(),
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
        };
        let hosts = vec![host(None, ""), host(Some("dns1"), "pc-1")];
        let gateway = xml::GatewayView { address: [10, 9, 0, 1].into(), prefix: 24, hosts };
        let nat = NatView { mac: String::new(), gateways: vec![gateway], options: Vec::new() };
        assert_eq!(
            hosts_file(&nat),
            "52:54:00:00:00:01,id:*,10.9.0.10\n52:54:00:00:00:01,id:*,set:dns1,10.9.0.10,pc-1\n"
        );
    }

    #[test]
    fn a_file_that_dnsmasq_cannot_read_tells_it_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, temporary) = (folder.path().join("hosts"), folder.path().join("new"));
        files::write_durably(&temporary, &file, b"a", 0o600).unwrap();
        assert!(!is_told(&file, "a"));
        fs::remove_file(&file).unwrap();
        files::write_durably(&temporary, &file, b"a", 0o644).unwrap();
        assert!(is_told(&file, "a") && !is_told(&file, "b"));
    }
}
