//! Tells systemd that a process of Carrel, controller or agent, does not stand still.

use std::time::Duration;

/// At half the interval that the unit asks for; ends at once where it asks for none.
pub async fn feed() {
    let mut micros = 0;
    if !sd_notify::watchdog_enabled(false, &mut micros) {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_micros(micros / 2));
    loop {
        ticks.tick().await;
        // Without systemd nobody waits for it.
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
    }
}
