//! How much is logged about one node: an agent that is broken or hostile must not fill its controller's
//! disk, nor bury what else there is to read.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines about one node in a [`WINDOW`]: more than a node that works ever gives cause for.
const LINES: u32 = 200;
const WINDOW: Duration = Duration::from_secs(60);

/// The field of a line that says which node it is about.
const NODE: &str = "node.id";

/// Leaves out lines about a node beyond [`LINES`], and says how many.
#[derive(Default)]
pub struct PerNode(Mutex<HashMap<i64, Window>>);

struct Window {
    began: Instant,
    lines: u32,
    left_out: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    Line,
    /// The first line after so many that were left out.
    After(u64),
    /// The first that is left out.
    NoMore,
    Not,
}

impl PerNode {
    fn admit(&self, number: i64, now: Instant) -> Admitted {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Window { began: now, lines: 0, left_out: 0 };
        let window = nodes.entry(number).or_insert_with(new);
        let mut left_out = 0;
        if now.duration_since(window.began) >= WINDOW {
            left_out = std::mem::replace(window, new()).left_out;
        }
        if window.lines < LINES {
            window.lines += 1;
            return if left_out == 0 { Admitted::Line } else { Admitted::After(left_out) };
        }
        window.left_out += 1;
        if window.left_out == 1 { Admitted::NoMore } else { Admitted::Not }
    }
}

impl<S: Subscriber> Layer<S> for PerNode {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let mut found = NodeOf(None);
        event.record(&mut found);
        let Some(node) = found.0 else { return true };
        // What is said of it has no such field: it comes by here, too.
        match self.admit(node, Instant::now()) {
            Admitted::Line => true,
            Admitted::After(left_out) => {
                tracing::warn!(node, left_out, "lines about a node were left out");
                true
            }
            Admitted::NoMore => {
                let seconds = WINDOW.as_secs();
                tracing::warn!(
                    node,
                    lines = LINES,
                    seconds,
                    "further lines about a node are left out"
                );
                false
            }
            Admitted::Not => false,
        }
    }
}

struct NodeOf(Option<i64>);

impl Visit for NodeOf {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == NODE {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn lines_beyond_the_bound_are_counted_and_the_count_is_said() {
        let (lines, began) = (PerNode::default(), Instant::now());
        for _ in 0..LINES {
            assert_eq!(lines.admit(7, began), Admitted::Line);
        }
        assert_eq!(lines.admit(7, began), Admitted::NoMore);
        for _ in 0..35_799 {
            assert_eq!(lines.admit(7, began + WINDOW / 2), Admitted::Not);
        }
        assert_eq!(lines.admit(8, began), Admitted::Line, "another node");
        assert_eq!(lines.admit(7, began + WINDOW), Admitted::After(35_800));
        assert_eq!(lines.admit(7, began + WINDOW), Admitted::Line);
    }

    #[test]
    fn only_lines_about_the_node_are_left_out() {
        #[derive(Clone, Default)]
        struct Count(std::sync::Arc<Mutex<[u32; 2]>>);
        impl<S: Subscriber> Layer<S> for Count {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                let mut found = NodeOf(None);
                event.record(&mut found);
                self.0.lock().unwrap()[usize::from(found.0.is_some())] += 1;
            }
        }
        let count = Count::default();
        let log = tracing_subscriber::registry().with(PerNode::default()).with(count.clone());
        tracing::subscriber::with_default(log, || {
            for _ in 0..LINES + 100 {
                tracing::warn!(node.id = 7_i64, "again");
                tracing::warn!("about nothing in particular");
            }
        });
        let [others, of_node] = *count.0.lock().unwrap();
        assert_eq!(of_node, LINES);
        assert!(others >= LINES + 100, "{others}");
    }
}
