//! Who is to be asked when. One task hears what nodes report and keeps a line for each desktop that is on; guests are asked
//! in batches, one for each node at a time, and one beside it for guests that did not answer before. Nobody holds a thread while a guest does what it was told.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet, spawn_blocking};
use tokio::time::sleep_until;
use uuid::Uuid;

use super::round::round;
use super::sights::{Heard, Sight};
use super::steps::Next;
use crate::desktops::Desktops;
use crate::desktops::store::first_starts;
use crate::error::{Result, logged};
use crate::store::NodeId;

/// Guests of a node that are asked with one call.
const BATCH: usize = 32;

/// Until a round that failed is tried again.
const RETRY: Duration = Duration::from_secs(30);

impl Desktops {
    /// Goes on with the first starts that are written down, and begins those of desktops that are seen, until the server
    /// ends.
    pub(in crate::desktops) fn keep_first_starts(&self) {
        if let Some(heard) = self.first_starts.take() {
            self.runtime.spawn(Engine::new(self.clone()).run(heard));
        }
    }
}

/// A desktop that is on, or whose first start is written as under way.
struct Line {
    node: NodeId,
    /// `None` until something is heard of it.
    sight: Option<Sight>,
    due: Option<Instant>,
    is_asked: bool,
    /// Its agent did not answer: it holds up only others of the kind.
    is_silent: bool,
}

impl Line {
    fn at(node: NodeId) -> Self {
        Self { node, sight: None, due: None, is_asked: false, is_silent: false }
    }

    fn lane(&self) -> Lane {
        (self.node, self.is_silent)
    }
}

/// A node, and whether it is about guests that did not answer before.
type Lane = (NodeId, bool);

/// How soon to look at each of those that were asked.
type Round = Result<Vec<(Uuid, Next)>>;

struct Engine {
    desktops: Desktops,
    lines: HashMap<Uuid, Line>,
    rounds: JoinSet<Round>,
    /// What the rounds under way are about.
    about: HashMap<Id, (Lane, Vec<(Uuid, Sight)>)>,
    /// With a round under way.
    busy: HashSet<Lane>,
}

impl Engine {
    fn new(desktops: Desktops) -> Self {
        Self {
            desktops,
            lines: HashMap::new(),
            rounds: JoinSet::new(),
            about: HashMap::new(),
            busy: HashSet::new(),
        }
    }

    async fn run(mut self, mut heard: UnboundedReceiver<Heard>) {
        self.go_on_with_written().await;
        loop {
            self.ask_due();
            let due = self.next_due();
            tokio::select! {
                heard = heard.recv() => match heard {
                    Some(Heard::Seen(sights)) => self.see(sights).await,
                    Some(Heard::Again(desktops)) => self.ask_again(&desktops).await,
                    None => return,
                },
                Some(ended) = self.rounds.join_next_with_id() => self.ended(ended),
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            }
        }
    }

    async fn go_on_with_written(&mut self) {
        let store = self.desktops.store.clone();
        let read = spawn_blocking(move || store.read(first_starts::all_running)).await;
        for (uuid, node) in logged("reading first starts", read).unwrap_or_default() {
            self.lines.insert(uuid, Line::at(node));
        }
    }

    async fn see(&mut self, sights: Vec<(Uuid, Sight)>) {
        let is_new =
            |(uuid, sight): &&(Uuid, Sight)| sight.run.is_some() && !self.lines.contains_key(uuid);
        let new: Vec<Uuid> = sights.iter().filter(is_new).map(|(uuid, _)| *uuid).collect();
        self.add(new).await;
        for (uuid, sight) in sights {
            let Some(line) = self.lines.get_mut(&uuid) else { continue };
            if line.sight != Some(sight) {
                line.sight = Some(sight);
                line.due = Some(Instant::now());
            }
        }
    }

    async fn ask_again(&mut self, desktops: &[Uuid]) {
        let new = desktops.iter().filter(|uuid| !self.lines.contains_key(uuid)).copied().collect();
        self.add(new).await;
        for uuid in desktops {
            if let Some(line) = self.lines.get_mut(uuid) {
                line.due = Some(Instant::now());
            }
        }
    }

    async fn add(&mut self, desktops: Vec<Uuid>) {
        if desktops.is_empty() {
            return;
        }
        let store = self.desktops.store.clone();
        let read = spawn_blocking(move || store.read(|conn| first_starts::nodes(conn, &desktops)));
        for (uuid, node) in logged("reading where desktops are", read.await).unwrap_or_default() {
            self.lines.insert(uuid, Line::at(node));
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let free = self.lines.values().filter(|line| !self.busy.contains(&line.lane()));
        free.filter(|line| !line.is_asked && line.sight.is_some()).filter_map(|line| line.due).min()
    }

    fn ask_due(&mut self) {
        let now = Instant::now();
        let mut batches: HashMap<Lane, Vec<(Uuid, Sight)>> = HashMap::new();
        for (uuid, line) in &mut self.lines {
            let Some(sight) = line.sight else { continue };
            if line.is_asked
                || line.due.is_none_or(|due| due > now)
                || self.busy.contains(&line.lane())
            {
                continue;
            }
            let batch = batches.entry(line.lane()).or_default();
            if batch.len() < BATCH {
                batch.push((*uuid, sight));
                (line.is_asked, line.due) = (true, None);
            }
        }
        for (lane, batch) in batches {
            self.busy.insert(lane);
            let (desktops, asked) = (self.desktops.clone(), batch.clone());
            let task = self.rounds.spawn_blocking(move || round(&desktops, lane.0, &asked));
            self.about.insert(task.id(), (lane, batch));
        }
    }

    fn ended(&mut self, ended: Result<(Id, Round), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some((lane, batch)) = self.about.remove(&id) else { return };
        self.busy.remove(&lane);
        let nexts: HashMap<Uuid, Next> =
            logged("asking guests", outcome).unwrap_or_default().into_iter().collect();
        for (uuid, asked) in batch {
            let Some(line) = self.lines.get_mut(&uuid) else { continue };
            let next = nexts.get(&uuid).copied().unwrap_or(Next::In(RETRY));
            line.is_asked = false;
            line.is_silent = matches!(next, Next::Silent(_));
            if line.sight != Some(asked) || line.due.is_some() {
                // Something was heard meanwhile.
                line.due = Some(Instant::now());
                continue;
            }
            match next {
                Next::In(pause) | Next::Silent(pause) => line.due = Some(Instant::now() + pause),
                Next::Wait | Next::Settled if asked.run.is_none() => {
                    self.lines.remove(&uuid);
                }
                Next::Wait | Next::Settled => {}
            }
        }
    }
}
