//! Tells when network interfaces, their addresses or the ways out change: the kernel says so (rtnetlink).

use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::events::EventSink;
use super::nics::nics;
use crate::error::{Context, Result};
use crate::node::protocol::{Event, NicFacts};

/// News are gathered this long: an interface that comes up makes a dozen.
const GATHER: Duration = Duration::from_millis(200);
/// What of the kernel's news is asked for.
const GROUPS: i32 = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV4_ROUTE;

/// Ends the watch, when dropped.
pub struct NicWatch {
    _stop: PipeWriter,
}

/// Sends [`Event::Nics`] whenever they are others than they were, until it is dropped.
///
/// # Errors
/// When the kernel gives no socket, or there is no thread to be had.
pub fn start(events: EventSink) -> Result<NicWatch> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let news = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
        .context("open a socket for news of interfaces")?;
    bind(news.as_raw_fd(), &NetlinkAddr::new(0, GROUPS.cast_unsigned()))
        .context("ask for news of interfaces")?;
    let (stopped, stop) = std::io::pipe().context("make a pipe")?;
    let mut watch = Watch { news, stopped, events, last: nics()? };
    thread::Builder::new()
        .name("nic-watch".to_owned())
        .spawn(move || watch.run())
        .context("start the watch of interfaces")?;
    Ok(NicWatch { _stop: stop })
}

struct Watch {
    news: OwnedFd,
    stopped: PipeReader,
    events: EventSink,
    last: Vec<NicFacts>,
}

impl Watch {
    fn run(&mut self) {
        while self.wait_for_news(None) {
            let until = Instant::now() + GATHER;
            loop {
                self.drain();
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                if !self.wait_for_news(Some(left)) {
                    return;
                }
            }
            self.tell();
        }
    }

    /// Waits until there are news, or the time is over; false when the watch ends.
    fn wait_for_news(&self, time: Option<Duration>) -> bool {
        let time = time.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        let mut ends = [
            PollFd::new(&self.news, PollFlags::IN),
            // Its other end is closed when the watch is dropped.
            PollFd::new(&self.stopped, PollFlags::IN),
        ];
        match poll(&mut ends, time.as_ref()) {
            Ok(_) => !ends[1].revents().intersects(PollFlags::IN | PollFlags::HUP),
            Err(rustix::io::Errno::INTR) => true,
            Err(cause) => {
                tracing::error!(%cause, "changes of network interfaces are not noticed any more");
                false
            }
        }
    }

    /// What the news say does not matter, as interfaces are read anew; nor do news that got lost.
    fn drain(&self) {
        let mut message = [0; 8192];
        loop {
            match recv(self.news.as_raw_fd(), &mut message, MsgFlags::empty()) {
                Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => return,
                Err(cause) => {
                    tracing::warn!(%cause, "news of network interfaces were not read");
                    return;
                }
            }
        }
    }

    fn tell(&mut self) {
        match nics() {
            // Guests' interfaces come and go.
            Ok(nics) if nics == self.last => {}
            Ok(nics) => {
                self.last.clone_from(&nics);
                self.events.send(Event::Nics(nics.into()));
            }
            Err(error) => tracing::warn!(error = error.detail(), "network interfaces not read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn a_watch_ends_with_its_owner() {
        let (sender, mut told) = unbounded_channel();
        let events = EventSink::default();
        events.listen(sender);
        let watch = start(events.clone()).expect("a watch");
        drop(events);
        assert!(told.try_recv().is_err(), "nothing has changed");
        drop(watch);
        // The thread has the last sink: the channel closes when it is over.
        assert!(told.blocking_recv().is_none());
    }
}
