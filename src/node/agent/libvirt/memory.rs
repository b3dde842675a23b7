//! Whether a guest's memory is there. QEMU takes it page by page, so that a start succeeds and the
//! machine runs out of memory later; therefore it is looked at before.

use std::sync::{Mutex, PoisonError};

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::error::{Error, Result};

/// Memory promised to domains that are being started, in MiB: what they take is not yet to be seen.
#[derive(Default)]
pub struct Memory(Mutex<u64>);

pub struct Promise<'a> {
    memory: &'a Memory,
    mib: u64,
}

impl Memory {
    /// Until the promise is dropped, which is when QEMU runs.
    ///
    /// # Errors
    /// `node-memory-short` with what is needed and free.
    pub fn promise(&self, name: &str, mib: u64) -> Result<Promise<'_>> {
        self.promise_of(available_mib()?, name, mib)
    }

    fn promise_of(&self, available: u64, name: &str, mib: u64) -> Result<Promise<'_>> {
        let mut promised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = available.saturating_sub(*promised);
        if mib > free {
            return Err(Error::no_room("node-memory-short")
                .arg("object", name)
                .arg("needed", mib)
                .arg("free", free));
        }
        *promised += mib;
        Ok(Promise { memory: self, mib })
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        *self.memory.0.lock().unwrap_or_else(PoisonError::into_inner) -= self.mib;
    }
}

/// What the kernel can give without swapping, caches included.
fn available_mib() -> Result<u64> {
    let wanted = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted)
        .map_err(|cause| Error::internal(format_args!("ask for the machine's memory: {cause}")))?;
    Ok(system.available_memory() >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_the_same_time_do_not_count_on_the_same_memory() {
        let memory = Memory::default();
        let first = memory.promise_of(1000, "a", 600).unwrap();
        let error = memory.promise_of(1000, "b", 600).err().unwrap();
        assert_eq!(error.to_string(), "node-memory-short (object=b, needed=600, free=400)");
        drop(first);
        assert!(memory.promise_of(1000, "b", 600).is_ok());
    }
}
