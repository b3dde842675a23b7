//! The reservations of a running network.
//!
//! dnsmasq reads them from a file that libvirt writes when it starts the network, and again on SIGHUP. The same file is
//! written here with what libvirt's stored definition says. When libvirt starts again it writes what it knew
//! when the network was started; the agent, which sees that, corrects it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;
use virt::network::Network;
use virt::sys;

use super::plan;
use crate::error::{Context, Result};
use crate::node::agent::files;
use crate::node::agent::libvirt::errors::Libvirt;
use crate::node::agent::libvirt::xml::{self, HostView, NatView};
use crate::node::protocol::{DhcpHost, NetworkSpec};

/// Where libvirt's system daemon keeps the configuration of the dnsmasq of each network.
const CONFIGURATIONS: &str = "/var/lib/libvirt/dnsmasq";

/// Tells the network's dnsmasq its reservations.
pub fn serve(network: &Network, name: &str, nat: &NatView, spec: &NetworkSpec) -> Result<()> {
    let configuration = Path::new(CONFIGURATIONS).join(format!("{name}.conf"));
    let Some(running) = Running::find(&configuration)? else {
        // Another libvirt than the system's, or one that keeps its files elsewhere.
        return update_by_libvirt(network, spec.uuid, &spec.hosts);
    };
    let mut content = String::new();
    for HostView { mac, address, name } in nat.gateways.iter().flat_map(|gateway| &gateway.hosts) {
        let separator = if name.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = writeln!(content, "{mac},{address}{separator}{name}");
    }
    if is_told(&running.hosts_file, &content) {
        return Ok(());
    }
    let temporary = running.hosts_file.with_extension("carrel");
    files::remove_if_there(&temporary)?;
    files::write_durably(&temporary, &running.hosts_file, content.as_bytes(), 0o644)?;
    kill(running.process, Signal::SIGHUP).context("tell dnsmasq its reservations")
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
        update(network, sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, host)?;
    }
    for host in wanted.difference(&live) {
        update(network, sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, host)?;
    }
    Ok(())
}

fn update(network: &Network, command: sys::virNetworkUpdateCommand, host: &DhcpHost) -> Result<()> {
    network
        .update(
            command,
            sys::VIR_NETWORK_SECTION_IP_DHCP_HOST,
            -1,
            &xml::host(&plan::host_view(host))?,
            sys::VIR_NETWORK_UPDATE_AFFECT_LIVE,
        )
        .libvirt("change a reservation of", "a network")
}

#[cfg(test)]
mod tests {
    use super::*;

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
