//! Where files stand in a storage.
//!
//! ```text
//!   <storage>/base/<uuid>.qcow2                    base images, read-only
//!   <storage>/templates/<uuid>.qcow2               layers of template versions, read-only
//!   <storage>/templates/<template uuid>.current    which layers desktops of a template get (JSON)
//!   <storage>/desktops/<domain uuid>/<disk uuid>.qcow2   overlays
//!   <storage>/desktops/<domain uuid>/running       its domain runs, as far as the agent knows
//!   <storage>/desktops/<domain uuid>/nvram.fd      what its UEFI keeps, beside its system disk
//!   <storage>/desktops/<domain uuid>/drivers.raw, seed.iso   what makes its system load a driver, what its cloud-init reads
//!   <storage>/isos/<uuid>.iso                      the library of installation images, read-only
//!   <storage>/uploads/<uuid>.part                  unfinished uploads
//!   <storage>/tmp/<uuid>                           work in progress, thrown away when an agent starts
//!   <storage>/installation/<uuid>/                 whose it is
//!   <storage>/lost/<time>/                         made after a backup that was restored: kept for the administrator
//! ```
//!
//! Paths are built from uuids and the configured storages only: nothing that a client sent becomes one.

mod owner;

use std::fs::{self, File, FileType};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use crate::error::{Context, Error, Fault, Kind, Result};
use crate::node::agent::files;
use crate::node::cancel::CancelFlag;
use crate::node::protocol::{LayerKind, LayerRef, StorageFacts};
use crate::node::units::human;

/// QEMU runs as another user: it must be able to walk through, not to list.
const WALK_ONLY: u32 = 0o711;
const READABLE: u32 = 0o755;
const PRIVATE: u32 = 0o700;

/// Name of the file with the variables of a domain's UEFI.
pub const NVRAM: &str = "nvram.fd";
/// How a mark ends that says that the disk of this name is to go.
pub const FORMER: &str = ".former";

/// The storages that an agent was configured with.
#[derive(Debug, Clone, Default)]
pub struct Storages {
    roots: Vec<PathBuf>,
    /// Those that hold another installation's disks: never touched.
    foreign: Vec<PathBuf>,
    /// Whose mark each of them bears; `None` only looks, or is of a test.
    installation: Option<Uuid>,
    /// Those that were worked in before and do not bear the mark: not mounted. They come back by themselves.
    absent: Arc<Mutex<Vec<PathBuf>>>,
    /// Those that could not be made ready for work, and were logged.
    unprepared: Vec<PathBuf>,
    /// For one that changes nothing, beside an agent that works perhaps.
    only_looks: bool,
    working: Arc<Working>,
}

/// Held while this agent works: another one would take its work in progress for left work, and restore
/// the same disks.
#[derive(Debug, Default)]
struct Working {
    locks: Mutex<Vec<Flock<File>>>,
    released: CancelFlag,
}

impl Working {
    fn keep(&self, lock: Flock<File>) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.locks.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.released.cancel();
    }
}

impl Storages {
    /// Makes missing folders and throws away work that an earlier agent left. A storage that cannot be
    /// prepared is logged and refused when it is used: the rest of the node goes on.
    ///
    /// # Errors
    /// `storage-taken` when another agent works in one of them.
    pub fn open(paths: &[String]) -> Result<Self> {
        let roots: Vec<_> = paths.iter().map(PathBuf::from).collect();
        let (working, mut unprepared) = (Working::default(), Vec::new());
        for root in &roots {
            match (Storage { root: root.clone() }).prepare() {
                Ok(Some(lock)) => working.keep(lock),
                Ok(None) => {
                    return Err(Error::conflict("storage-taken").arg("path", root.display()));
                }
                Err(error) => {
                    tracing::error!(storage = %root.display(), error = error.detail(), "storage not usable");
                    unprepared.push(root.clone());
                }
            }
        }
        Ok(Self { roots, unprepared, working: Arc::new(working), ..Self::default() })
    }

    /// As [`Storages::open`], without those that belong to another installation: what no row of this one
    /// knows is deleted, and a controller with a new database knows nothing of the disks that an older one
    /// left. An unclaimed storage is claimed, unless it is `known`: that one's disk is not mounted.
    ///
    /// # Errors
    /// As [`Storages::open`].
    pub fn open_for(paths: &[String], known: &[String], installation: Uuid) -> Result<Self> {
        let is_own = |path: &&String| match owner::of(Path::new(path)) {
            Ok(found) => found.is_none_or(|found| found == installation),
            Err(error) => {
                tracing::error!(storage = path, error = error.detail(), "storage not usable");
                false
            }
        };
        let (own, foreign): (Vec<&String>, Vec<&String>) = paths.iter().partition(is_own);
        for path in &foreign {
            tracing::error!(storage = path, "the storage belongs to another installation");
        }
        let is_there = |path: &&String| {
            !known.contains(*path) || owner::is_ours(Path::new(*path), installation)
        };
        let (there, absent): (Vec<&String>, Vec<&String>) = own.iter().copied().partition(is_there);
        for path in &absent {
            tracing::error!(storage = path, "the storage is not mounted: it lacks Carrel's mark");
        }
        let there: Vec<String> = there.into_iter().cloned().collect();
        let opened = Self::open(&there)?;
        for storage in opened.usable() {
            if let Err(error) = owner::claim(&storage.root, installation) {
                tracing::error!(storage = %storage.root.display(), error = error.detail(), "not claimed");
            }
        }
        let paths = |paths: Vec<&String>| paths.into_iter().map(PathBuf::from).collect();
        Ok(Self {
            roots: paths(own),
            foreign: paths(foreign),
            installation: Some(installation),
            absent: Arc::new(Mutex::new(paths(absent))),
            ..opened
        })
    }

    /// Nothing is made, taken or thrown away.
    pub fn only_looking(paths: &[String]) -> Self {
        let roots = paths.iter().map(PathBuf::from).collect();
        Self { roots, only_looks: true, ..Self::default() }
    }

    pub fn only_look(&self) -> bool {
        self.only_looks
    }

    /// # Errors
    /// `storage-unknown` when it is not a configured one, `storage-missing` or `storage-not-mounted` when it is not there.
    pub fn get(&self, path: &str) -> Result<Storage> {
        if self.foreign.iter().any(|root| root.as_os_str() == path) {
            return Err(Error::conflict("storage-foreign").arg("path", path));
        }
        let root = self.all().map(|storage| storage.root).find(|root| root.as_os_str() == path);
        let root = root.ok_or_else(|| Error::bad_input("storage-unknown").arg("path", path))?;
        let storage = Storage { root };
        if !self.is_mounted(&storage)? {
            return Err(self.absence(&storage));
        }
        if storage.is_prepared() {
            Ok(storage)
        } else {
            Err(Error::new(Kind::Internal, "storage-missing").arg("path", path))
        }
    }

    /// Requires that all are mounted: what a list of files lacks otherwise would count as gone.
    ///
    /// # Errors
    /// `storage-not-mounted`
    pub fn require_all(&self) -> Result<()> {
        self.not_mounted().into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault.into()))
    }

    fn absence(&self, storage: &Storage) -> Error {
        let mark = owner::mark(&storage.root, self.installation.unwrap_or_default());
        let error = Error::conflict("storage-not-mounted").arg("path", storage.name());
        error.arg("mark", mark.display())
    }

    /// What those that can be used are like, and paths of all others with what is wrong with them.
    pub fn look(&self) -> (Vec<StorageFacts>, Vec<(String, Fault)>) {
        let (mut facts, mut unusable) = (Vec::new(), Vec::new());
        for storage in self.all() {
            match self.get(&storage.name()).and_then(|storage| storage.facts()) {
                Ok(found) => facts.push(found),
                Err(error) => unusable.push((storage.name(), error.into())),
            }
        }
        (facts, unusable)
    }

    /// Paths of those whose disk is not mounted, and what is to be done about it.
    pub fn not_mounted(&self) -> Vec<(String, Fault)> {
        let is_absent = |storage: &Storage| {
            !self.is_mounted(storage).unwrap_or_else(|error| {
                let root = storage.root.display();
                tracing::error!(storage = %root, error = error.detail(), "storage not usable");
                false
            })
        };
        let absent = self.all().filter(is_absent);
        absent.map(|storage| (storage.name(), self.absence(&storage).into())).collect()
    }

    /// Those of its paths that were `known` before, or are worked in now.
    pub fn known(&self, known: &[String]) -> Vec<String> {
        let usable: Vec<String> = self.usable().map(|storage| storage.name()).collect();
        let all = self.all().map(|storage| storage.name());
        all.filter(|path| known.contains(path) || usable.contains(path)).collect()
    }

    /// Whether it bears this installation's mark. One that came back is made ready for work.
    fn is_mounted(&self, storage: &Storage) -> Result<bool> {
        let Some(installation) = self.installation else { return Ok(true) };
        let lock = || self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |absent: &[PathBuf]| absent.iter().position(|root| *root == storage.root);
        // Not held while the disk is asked: one that hangs holds up no other.
        let was_absent = place(&lock()).is_some();
        if !was_absent {
            // What could not be prepared says so by itself.
            return Ok(self.unprepared.contains(&storage.root)
                || owner::bears(&storage.root, installation));
        }
        if !owner::is_ours(&storage.root, installation) {
            return Ok(false);
        }
        let mut absent = lock();
        let Some(place) = place(&absent) else { return Ok(true) };
        let taken = || Error::conflict("storage-taken").arg("path", storage.root.display());
        self.working.keep(storage.prepare()?.ok_or_else(taken)?);
        owner::claim(&storage.root, installation)?;
        tracing::info!(storage = %storage.root.display(), "the storage is mounted again");
        absent.swap_remove(place);
        Ok(true)
    }

    /// Set when the last clone is gone and another agent may work in them.
    pub fn released(&self) -> CancelFlag {
        self.working.released.clone()
    }

    pub fn all(&self) -> impl Iterator<Item = Storage> + '_ {
        self.roots.iter().map(|root| Storage { root: root.clone() })
    }

    /// Storages that are there.
    pub fn usable(&self) -> impl Iterator<Item = Storage> + '_ {
        self.all()
            .filter(|storage| storage.is_prepared() && self.is_mounted(storage).unwrap_or(false))
    }

    /// # Errors
    /// As [`Storages::get`].
    pub fn layer_path(&self, layer: &LayerRef) -> Result<PathBuf> {
        Ok(self.get(&layer.storage)?.layer(layer.kind, layer.uuid))
    }
}

/// One storage; gives out the paths in it.
#[derive(Debug, Clone)]
pub struct Storage {
    root: PathBuf,
}

impl Storage {
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn name(&self) -> String {
        self.root.to_string_lossy().into_owned()
    }

    /// Whether it is there and has its folders: a mount point without its disk does not.
    pub fn is_prepared(&self) -> bool {
        self.root.join("tmp").is_dir()
    }

    pub fn layers(&self, kind: LayerKind) -> PathBuf {
        self.root.join(match kind {
            LayerKind::BaseImage => "base",
            LayerKind::TemplateVersion => "templates",
            LayerKind::Iso => "isos",
        })
    }

    pub fn layer(&self, kind: LayerKind, uuid: Uuid) -> PathBuf {
        let ending = if kind == LayerKind::Iso { "iso" } else { "qcow2" };
        self.layers(kind).join(format!("{uuid}.{ending}"))
    }

    pub fn published(&self, template: Uuid) -> PathBuf {
        self.layers(LayerKind::TemplateVersion).join(format!("{template}.current"))
    }

    /// The folder of all domains' folders.
    pub fn desktops(&self) -> PathBuf {
        self.root.join("desktops")
    }

    pub fn domain_dir(&self, domain: Uuid) -> PathBuf {
        self.desktops().join(domain.to_string())
    }

    pub fn overlay(&self, domain: Uuid, disk: Uuid) -> PathBuf {
        self.domain_dir(domain).join(format!("{disk}.qcow2"))
    }

    pub fn nvram(&self, domain: Uuid) -> PathBuf {
        self.domain_dir(domain).join(NVRAM)
    }

    pub fn driver_disk(&self, domain: Uuid) -> PathBuf {
        self.domain_dir(domain).join("drivers.raw")
    }

    /// What was set aside, by the time of each restored backup.
    pub fn lost(&self) -> PathBuf {
        self.root.join("lost")
    }

    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub fn upload(&self, upload: Uuid) -> PathBuf {
        self.uploads().join(format!("{upload}.part"))
    }

    /// A new name for work in progress, on the same file system as all other paths here.
    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp").join(Uuid::new_v4().to_string())
    }

    /// Makes the folder for a domain's overlays.
    pub fn make_domain_dir(&self, domain: Uuid) -> Result<PathBuf> {
        let dir = self.domain_dir(domain);
        files::make_dir(&dir, WALK_ONLY)?;
        Ok(dir)
    }

    /// Bytes in all and used, as `df` counts them: what only root may use counts as used.
    pub fn facts(&self) -> Result<StorageFacts> {
        let stat = statvfs(&self.root)
            .context(format_args!("ask for the room in {}", self.root.display()))?;
        let unit = stat.fragment_size();
        let total = stat.blocks() * unit;
        Ok(StorageFacts {
            path: self.name(),
            total,
            used: total.saturating_sub(stat.blocks_available() * unit),
        })
    }

    /// # Errors
    /// `storage-full` when `needed` bytes more would reach into what [`StorageFacts::reserve`] keeps free.
    pub fn require_room(&self, needed: u64) -> Result<()> {
        let facts = self.facts()?;
        if facts.has_room(needed) {
            return Ok(());
        }
        let free = facts.room();
        Err(Error::no_room("storage-full")
            .arg("reserve", human(facts.reserve()))
            .arg("path", facts.path)
            .arg("needed", human(needed))
            .arg("free", human(free)))
    }

    /// For the little that must be written so that something larger is not lost: may use the reserve.
    ///
    /// # Errors
    /// `storage-ran-full` when fewer than `needed` bytes are free.
    pub fn require_free(&self, needed: u64) -> Result<()> {
        let facts = self.facts()?;
        if needed <= facts.free() {
            return Ok(());
        }
        Err(Error::no_room("storage-ran-full").arg("path", facts.path))
    }

    /// Makes everything written so far durable; once at the end of a batch.
    pub fn sync(&self) -> Result<()> {
        let doing = || format!("sync {}", self.root.display());
        let root = File::open(&self.root).context(doing())?;
        nix::unistd::syncfs(root.as_fd()).context(doing())
    }

    /// Makes the folders, and throws left work away. `None` when another agent works here.
    fn prepare(&self) -> Result<Option<Flock<File>>> {
        // One by one, since the umask of a service would close them to QEMU.
        let mut folders: Vec<&Path> = self.root.ancestors().collect();
        folders.reverse();
        for folder in folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
            files::make_dir(folder, READABLE)?;
        }
        for kind in LayerKind::ALL {
            files::make_dir(&self.layers(kind), READABLE)?;
        }
        files::make_dir(&self.desktops(), WALK_ONLY)?;
        files::make_dir(&self.uploads(), PRIVATE)?;
        let temporary = self.root.join("tmp");
        files::make_dir(&temporary, PRIVATE)?;
        let folder =
            File::open(&temporary).context(format_args!("open {}", temporary.display()))?;
        let lock = match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, cause)) => {
                return Err(cause).context(format_args!("lock {}", temporary.display()));
            }
        };
        // The storage is locked and good for work, whatever is left in it.
        if let Err(error) = self.own_layers().and_then(|()| self.remove_left_work()) {
            tracing::error!(storage = %self.root.display(), error = error.detail(), "storage not tidied");
        }
        Ok(Some(lock))
    }
}

impl Storage {
    /// Layers that libvirt gave to QEMU's user once are root's again, and read-only. Guests that have them open go on.
    fn own_layers(&self) -> Result<()> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        for kind in LayerKind::ALL {
            for path in own_files(&self.layers(kind), ".qcow2")? {
                let meta = fs::symlink_metadata(&path).context("look at a layer")?;
                if meta.uid() != 0 {
                    files::make_layer(&path)?;
                }
            }
        }
        Ok(())
    }

    /// What an earlier agent was at. The folder may be older than the storage, with other people's files.
    fn remove_left_work(&self) -> Result<()> {
        for path in own_files(&self.root.join("tmp"), "")? {
            files::remove_if_there(&path)?;
        }
        // Folders of domains whose first disk was not placed any more: without a file nobody else would find them.
        for folder in own_entries(&self.desktops(), "", FileType::is_dir)? {
            match fs::remove_dir(&folder) {
                Err(cause) if cause.kind() != ErrorKind::DirectoryNotEmpty => {
                    return Err(cause).context(format_args!("remove {}", folder.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The files of a folder that have a name of the layout's with this ending.
fn own_files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    own_entries(folder, ending, FileType::is_file)
}

fn own_entries(
    folder: &Path,
    ending: &str,
    is_kind: impl Fn(&FileType) -> bool,
) -> Result<Vec<PathBuf>> {
    let doing = || format!("look into {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).context(doing())? {
        let entry = entry.context(doing())?;
        let is_own = entry.file_name().to_str().is_some_and(|name| named(name, ending).is_some());
        if is_own && is_kind(&entry.file_type().context(doing())?) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A uuid in the spelling that the layout writes, with this ending.
pub fn named(name: &str, ending: &str) -> Option<Uuid> {
    let stem = name.strip_suffix(ending)?;
    let uuid = Uuid::try_parse(stem).ok()?;
    (uuid.to_string() == stem).then_some(uuid)
}
