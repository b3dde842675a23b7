//! What a template may be like, however it is made or changed.

use crate::error::{Error, Result};
use crate::inventory::Node;

/// More disks than a machine of today has places for.
pub const DISK_LIMIT: usize = 16;
/// 16 TiB: larger ones are mistakes.
pub const SIZE_LIMIT: u64 = 16 << 40;
/// More than any machine that KVM runs.
pub const VCPU_LIMIT: u32 = 240;
/// GiB; more memory than any machine has.
pub const MEMORY_LIMIT_GIB: u32 = 65_536;
/// MiB; less boots nothing.
pub const MEMORY_LEAST: u64 = 16;

/// # Errors
/// `vcpu-out-of-range`, `memory-too-small`
pub(super) fn check_size(field: &'static str, vcpu: u32, memory_mib: u64) -> Result<()> {
    if vcpu == 0 || vcpu > VCPU_LIMIT {
        let error = Error::bad_input("vcpu-out-of-range").arg("field", field);
        return Err(error.arg("limit", VCPU_LIMIT));
    }
    if memory_mib < MEMORY_LEAST {
        let error = Error::bad_input("memory-too-small").arg("field", "ram");
        return Err(error.arg("least", MEMORY_LEAST));
    }
    Ok(())
}

/// # Errors
/// `memory-beyond-node`
pub(super) fn check_memory(node: &Node, memory_mib: u64) -> Result<()> {
    let has = node.memory >> 20;
    if has > 0 && memory_mib > has {
        return Err(Error::bad_input("memory-beyond-node")
            .arg("field", "ram")
            .arg("wanted", memory_mib)
            .arg("name", &node.name)
            .arg("has", has));
    }
    Ok(())
}

/// # Errors
/// `disk-size-out-of-range`
pub(super) fn check_disk_size(size: u64) -> Result<()> {
    if size == 0 || size > SIZE_LIMIT {
        let error = Error::bad_input("disk-size-out-of-range").arg("field", "size");
        return Err(error.arg("limit", SIZE_LIMIT >> 30));
    }
    Ok(())
}
