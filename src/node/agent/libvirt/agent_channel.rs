//! The channel on which the agent in a guest is spoken to.

use virt::domain::Domain;

use super::errors::Libvirt;
use crate::error::Result;

/// The channel of a guest agent, and what libvirt says of it while an agent has its end open.
pub const AGENT_CHANNEL: &str = "org.qemu.guest_agent.0";
const CONNECTED: &str = "state='connected'";

/// Whether an agent in the guest has its end of the channel open.
pub fn has_agent(domain: &Domain) -> Result<bool> {
    let xml = domain.xml_desc(0).libvirt("read the definition of", "a domain")?;
    Ok(says_connected(&xml))
}

/// The name is also the end of the path of the channel's socket.
fn says_connected(definition: &str) -> bool {
    let mut rests =
        definition.split(AGENT_CHANNEL).skip(1).filter_map(|rest| rest.split("/>").next());
    rests.any(|rest| rest.contains(CONNECTED))
}

#[cfg(test)]
mod tests {
    use super::says_connected;

    #[test]
    fn an_agent_is_there_when_its_channel_says_so() {
        let channel = |state: &str| {
            format!(
                "<channel type='unix'><source mode='bind' path='/run/org.qemu.guest_agent.0'/>\
                 <target type='virtio' name='org.qemu.guest_agent.0'{state}/></channel>\
                 <channel><target name='other' state='connected'/></channel>"
            )
        };
        assert!(says_connected(&channel(" state='connected'")));
        assert!(
            !says_connected(&channel(" state='disconnected'")) && !says_connected(&channel(""))
        );
        assert!(!says_connected("<domain/>"));
    }
}
