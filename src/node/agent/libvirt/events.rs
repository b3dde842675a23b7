//! libvirt's events, by its C interface: the `virt` crate wraps only the loop that delivers them.
//!
//! One loop serves the whole process. Callbacks run on its thread, where calling libvirt would wait for
//! itself; so they only copy what they are told into a [`Signal`] and hand it over.
//!
//! Everything unsafe about events is in this file. [`Subscription`] keeps the callbacks registered and
//! takes them off when it is dropped.

use std::ffi::{CStr, c_char, c_int, c_longlong, c_uint, c_void};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use uuid::Uuid;
use virt::connect::Connect;
use virt::sys;

use super::errors::Libvirt;
use crate::error::{Context, Result};

/// What libvirt told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The domain's state or definition changed.
    Changed { domain: Uuid, change: Change },
    /// The guest was reset without QEMU having ended.
    Rebooted { domain: Uuid },
    /// The tray of a CD drive was opened, by the guest or for another disc.
    TrayOpened { domain: Uuid },
    /// A network was stopped, by whomever.
    NetworkStopped { network: Uuid },
    /// The process that gives a network's guests their addresses ended; `at_once`: soon after it had begun.
    DhcpEnded { network: Uuid, at_once: bool },
    /// QEMU's own word before it ends: why the guest stops running, like `guest-shutdown` or `guest-reset`.
    Ending { domain: Uuid, reason: String },
    /// The connection is new: whatever happened before was not seen.
    Connected,
    /// The connection broke.
    Lost,
    /// Nobody needs events any longer.
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Defined,
    Undefined,
    Started,
    Stopped,
    /// Paused, resumed, crashed, an error of a disk, the agent in its guest.
    Other,
}

/// Starts the loop that delivers events, once in a process. To be called before a connection is opened.
pub fn start_loop() -> Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return Ok(());
    }
    // Otherwise libvirt prints every error to standard error.
    virt::error::clear_error_callback();
    virt::event::event_register_default_impl().libvirt("register the event loop", "libvirt")?;
    thread::Builder::new()
        .name("libvirt-events".to_owned())
        .spawn(run_loop)
        .context("start the thread for libvirt's events")?;
    *started = true;
    Ok(())
}

fn run_loop() {
    loop {
        if let Err(cause) = virt::event::event_run_default_impl() {
            tracing::error!(%cause, "libvirt's event loop failed");
            thread::sleep(Duration::from_secs(1));
        }
    }
}

type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
type Lifecycle =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
type NetworkGeneric = unsafe extern "C" fn(sys::virConnectPtr, sys::virNetworkPtr, *mut c_void);
type NetworkLifecycle =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virNetworkPtr, c_int, c_int, *mut c_void);
type IoError = unsafe extern "C" fn(
    sys::virConnectPtr,
    sys::virDomainPtr,
    *const c_char,
    *const c_char,
    c_int,
    *mut c_void,
);

type AgentLifecycle =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void);

type TrayChange =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *const c_char, c_int, *mut c_void);

/// Callbacks registered on a connection.
pub struct Subscription {
    connect: Connect,
    domain_events: Vec<c_int>,
    network_event: Option<c_int>,
    monitor_event: Option<c_int>,
    close_registered: bool,
}

impl Subscription {
    /// From now on signals go to `sink`; [`Signal::Lost`] when the connection breaks.
    pub fn new(connect: &Connect, sink: &Sender<Signal>) -> Result<Self> {
        let mut subscription = Self {
            connect: connect.clone(),
            domain_events: Vec::new(),
            network_event: None,
            monitor_event: None,
            close_registered: false,
        };
        subscription.watch_close(sink)?;
        // SAFETY: libvirt calls back with the signature that belongs to the event's number, which for these four
        // numbers is the function's real one; the generic type is only what the C interface takes for all.
        let (lifecycle, io_error, tray_change, agent) = unsafe {
            (
                std::mem::transmute::<Lifecycle, Generic>(on_lifecycle),
                std::mem::transmute::<IoError, Generic>(on_io_error),
                std::mem::transmute::<TrayChange, Generic>(on_tray_change),
                std::mem::transmute::<AgentLifecycle, Generic>(on_agent_lifecycle),
            )
        };
        subscription.watch(sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, sink)?;
        subscription.watch(sys::VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot, sink)?;
        subscription.watch(sys::VIR_DOMAIN_EVENT_ID_IO_ERROR, io_error, sink)?;
        subscription.watch(sys::VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, tray_change, sink)?;
        subscription.watch(sys::VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, agent, sink)?;
        subscription.watch_networks(sink)?;
        Ok(subscription)
    }

    fn watch(
        &mut self,
        event: sys::virDomainEventID,
        callback: Generic,
        sink: &Sender<Signal>,
    ) -> Result<()> {
        let opaque = into_opaque(sink);
        // SAFETY: the connection is alive, and `opaque` stays valid until libvirt passes it to `free_sink`.
        let id = unsafe {
            sys::virConnectDomainEventRegisterAny(
                self.connect.as_ptr(),
                std::ptr::null_mut(),
                event as c_int,
                Some(callback),
                opaque,
                Some(free_sink),
            )
        };
        self.domain_events.push(registered(id, opaque)?);
        Ok(())
    }

    fn watch_networks(&mut self, sink: &Sender<Signal>) -> Result<()> {
        let opaque = into_opaque(sink);
        // SAFETY: as in `watch`, and as there the signature that belongs to the event's number is the function's real one.
        let id = unsafe {
            sys::virConnectNetworkEventRegisterAny(
                self.connect.as_ptr(),
                std::ptr::null_mut(),
                sys::VIR_NETWORK_EVENT_ID_LIFECYCLE as c_int,
                Some(std::mem::transmute::<NetworkLifecycle, NetworkGeneric>(on_network_lifecycle)),
                opaque,
                Some(free_sink),
            )
        };
        self.network_event = Some(registered(id, opaque)?);
        Ok(())
    }

    /// QEMU's own event `SHUTDOWN`, which alone tells a reset from a shutdown. Only on a connection to QEMU.
    pub fn watch_qemu(&mut self, sink: &Sender<Signal>) -> Result<()> {
        let opaque = into_opaque(sink);
        // SAFETY: as in `watch`; the event's name is a C string that lives for ever.
        let id = unsafe {
            sys::virConnectDomainQemuMonitorEventRegister(
                self.connect.as_ptr(),
                std::ptr::null_mut(),
                c"SHUTDOWN".as_ptr(),
                Some(on_qemu_shutdown),
                opaque,
                Some(free_sink),
                0,
            )
        };
        self.monitor_event = Some(registered(id, opaque)?);
        Ok(())
    }

    fn watch_close(&mut self, sink: &Sender<Signal>) -> Result<()> {
        let opaque = into_opaque(sink);
        // SAFETY: as in `watch`.
        let code = unsafe {
            sys::virConnectRegisterCloseCallback(
                self.connect.as_ptr(),
                Some(on_close),
                opaque,
                Some(free_sink),
            )
        };
        registered(code, opaque)?;
        self.close_registered = true;
        Ok(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // On a broken connection libvirt forgets the callbacks all the same and only fails to tell the
        // daemon: so the answers are of no interest.
        // SAFETY: the connection is alive, and the numbers are those that libvirt gave for it.
        unsafe {
            for id in &self.domain_events {
                sys::virConnectDomainEventDeregisterAny(self.connect.as_ptr(), *id);
            }
            if let Some(id) = self.network_event {
                sys::virConnectNetworkEventDeregisterAny(self.connect.as_ptr(), id);
            }
            if let Some(id) = self.monitor_event {
                sys::virConnectDomainQemuMonitorEventDeregister(self.connect.as_ptr(), id);
            }
            if self.close_registered {
                sys::virConnectUnregisterCloseCallback(self.connect.as_ptr(), Some(on_close));
            }
        }
    }
}

fn into_opaque(sink: &Sender<Signal>) -> *mut c_void {
    Box::into_raw(Box::new(sink.clone())).cast()
}

/// libvirt does not free what it did not register.
fn registered(id: c_int, opaque: *mut c_void) -> Result<c_int> {
    if id >= 0 {
        return Ok(id);
    }
    let cause = virt::error::Error::last_error();
    // SAFETY: `opaque` comes from `into_opaque` and nobody else has it.
    unsafe { free_sink(opaque) };
    Err(cause).libvirt("register for events", "libvirt")
}

/// # Safety
/// `opaque` comes from [`into_opaque`] and is not used afterwards.
unsafe extern "C" fn free_sink(opaque: *mut c_void) {
    // SAFETY: promised by the caller.
    drop(unsafe { Box::from_raw(opaque.cast::<Sender<Signal>>()) });
}

/// # Safety
/// `opaque` comes from [`into_opaque`] and was not yet freed.
unsafe fn send(opaque: *mut c_void, signal: Signal) {
    // SAFETY: promised by the caller. The sender is shared with nobody: libvirt calls back on one thread.
    let sink = unsafe { &*opaque.cast::<Sender<Signal>>() };
    // Whoever listened is gone when this fails, and with it the wish to know.
    let _ = sink.send(signal);
}

/// # Safety
/// `domain` is a domain of libvirt's that is alive during the call.
unsafe fn uuid_of(domain: sys::virDomainPtr) -> Option<Uuid> {
    let mut bytes = [0_u8; 16];
    // SAFETY: libvirt writes the 16 bytes of a uuid; it reads them from the object, without asking the daemon.
    let code = unsafe { sys::virDomainGetUUID(domain, bytes.as_mut_ptr()) };
    (code == 0).then(|| Uuid::from_bytes(bytes))
}

unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    _detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    let change = match event as sys::virDomainEventType {
        sys::VIR_DOMAIN_EVENT_DEFINED => Change::Defined,
        sys::VIR_DOMAIN_EVENT_UNDEFINED => Change::Undefined,
        sys::VIR_DOMAIN_EVENT_STARTED => Change::Started,
        sys::VIR_DOMAIN_EVENT_STOPPED => Change::Stopped,
        _ => Change::Other,
    };
    // SAFETY: libvirt gives a live domain and the opaque of the registration.
    unsafe {
        if let Some(domain) = uuid_of(domain) {
            send(opaque, Signal::Changed { domain, change });
        }
    }
    0
}

unsafe extern "C" fn on_network_lifecycle(
    _: sys::virConnectPtr,
    network: sys::virNetworkPtr,
    event: c_int,
    _detail: c_int,
    opaque: *mut c_void,
) {
    if event as sys::virNetworkEventLifecycleType != sys::VIR_NETWORK_EVENT_STOPPED {
        return;
    }
    let mut bytes = [0_u8; 16];
    // SAFETY: libvirt gives a live network, writes the 16 bytes of its uuid from the object, and gives the opaque of the
    // registration.
    unsafe {
        if sys::virNetworkGetUUID(network, bytes.as_mut_ptr()) == 0 {
            send(opaque, Signal::NetworkStopped { network: Uuid::from_bytes(bytes) });
        }
    }
}

unsafe extern "C" fn on_reboot(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe {
        if let Some(domain) = uuid_of(domain) {
            send(opaque, Signal::Rebooted { domain });
        }
    }
}

unsafe extern "C" fn on_io_error(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _path: *const c_char,
    _alias: *const c_char,
    _action: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe {
        if let Some(domain) = uuid_of(domain) {
            send(opaque, Signal::Changed { domain, change: Change::Other });
        }
    }
}

unsafe extern "C" fn on_tray_change(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _alias: *const c_char,
    reason: c_int,
    opaque: *mut c_void,
) {
    if reason as sys::virDomainEventTrayChangeReason != sys::VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN {
        return;
    }
    // SAFETY: as in `on_lifecycle`.
    unsafe {
        if let Some(domain) = uuid_of(domain) {
            send(opaque, Signal::TrayOpened { domain });
        }
    }
}

/// An agent in a guest opened its end of the channel, or it closed.
unsafe extern "C" fn on_agent_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _state: c_int,
    _reason: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`.
    unsafe {
        if let Some(domain) = uuid_of(domain) {
            send(opaque, Signal::Changed { domain, change: Change::Other });
        }
    }
}

unsafe extern "C" fn on_qemu_shutdown(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _event: *const c_char,
    _seconds: c_longlong,
    _micros: c_uint,
    details: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_lifecycle`; `details` is null or a C string.
    unsafe {
        let Some(domain) = uuid_of(domain) else { return };
        let details =
            if details.is_null() { c"{}".to_bytes() } else { CStr::from_ptr(details).to_bytes() };
        send(opaque, Signal::Ending { domain, reason: reason_in(details) });
    }
}

unsafe extern "C" fn on_close(_: sys::virConnectPtr, _reason: c_int, opaque: *mut c_void) {
    // SAFETY: libvirt gives the opaque of the registration.
    unsafe { send(opaque, Signal::Lost) };
}

/// From `{"guest":true,"reason":"guest-reset"}`; empty for a QEMU that gives none.
fn reason_in(details: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Details {
        #[serde(default)]
        reason: String,
    }
    serde_json::from_slice::<Details>(details).map(|details| details.reason).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_taken_from_qemu_s_words() {
        assert_eq!(reason_in(br#"{"guest":true,"reason":"guest-reset"}"#), "guest-reset");
        assert_eq!(reason_in(br#"{"guest":true}"#), "");
        assert_eq!(reason_in(b"nonsense"), "");
    }
}
