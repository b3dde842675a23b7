//! From the start of the process to its first answer.

use crate::measure::{Table, median, seconds, settle};
use crate::support::{LabNode, Server};

const ROUNDS: usize = 5;

pub fn measure(table: &mut Table) {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let took = median(ROUNDS, |_| {
        server.stop();
        settle();
        seconds(|| {
            server.start_again();
            server.client().get("/").send().expect_status(200);
        })
    });
    table.figure("process start to first answer", took, "s", 0.3);
}
