//! Resource pools.

use uuid::Uuid;

use super::{Inventory, Pool, store};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};

pub use super::store::pools::PoolLine;

/// Names of users that a refusal lists.
const NAMES_SHOWN: usize = 5;

/// What a pool is made of, checked.
#[derive(Debug, Clone)]
pub struct NewPool {
    pub name: String,
    pub desc: Option<String>,
}

impl Inventory {
    pub fn list_pools(&self, query: &ListQuery) -> Result<Page<PoolLine>> {
        store::pools::list(&self.inner.store, query)
    }

    /// # Errors
    /// `pool-name-taken`
    pub fn create_pool(&self, new: &NewPool) -> Result<Pool> {
        self.inner.store.write(|tx| {
            let id = store::pools::insert(tx, &new.name, new.desc.as_deref(), false)?;
            store::pools::by_id(tx, id)
        })
    }

    /// What is not given stays.
    ///
    /// # Errors
    /// `pool-unknown`, `pool-name-taken`
    pub fn edit_pool(
        &self,
        uuid: Uuid,
        name: Option<String>,
        desc: Option<String>,
    ) -> Result<PoolLine> {
        self.inner.store.write(|tx| {
            let pool = store::pools::find(tx, uuid)?;
            let (name, desc) = (name.unwrap_or(pool.name), desc.or(pool.desc));
            store::pools::update(tx, pool.id, &name, desc.as_deref())?;
            store::pools::line(tx, pool.id)
        })
    }

    /// Deletes those of these pools that are empty. Says of each its name, or why it stays.
    ///
    /// # Errors
    /// Of single pools `pool-unknown`, `pool-is-default`, `pool-not-empty` with the names of what is in it.
    pub fn delete_pools(&self, uuids: &[Uuid]) -> Result<Vec<(Uuid, Result<String>)>> {
        self.inner.store.write(|tx| {
            let pools = store::pools::by_uuid(tx, uuids)?;
            let contents = store::pools::contents(tx, pools.values().map(|pool| pool.id))?;
            let (mut gone, mut results) = (Vec::new(), Vec::new());
            for uuid in uuids {
                let pool = pools.get(uuid).ok_or_else(|| store::pools::unknown(*uuid));
                let deletable = pool.and_then(|pool| {
                    check_deletable(pool, contents.get(&pool.id).map_or(&[], Vec::as_slice))?;
                    gone.push(pool.id);
                    Ok(pool.name.clone())
                });
                results.push((*uuid, deletable));
            }
            store::pools::delete(tx, gone)?;
            Ok(results)
        })
    }
}

/// `contents`: names of what is in it.
fn check_deletable(pool: &Pool, contents: &[String]) -> Result<()> {
    if pool.is_default {
        return Err(Error::conflict("pool-is-default").arg("name", &pool.name));
    }
    if contents.is_empty() {
        return Ok(());
    }
    let shown = contents[..contents.len().min(NAMES_SHOWN)].join(", ");
    let error = Error::conflict("pool-not-empty").arg("name", &pool.name);
    Err(error.arg("count", contents.len()).arg("users", shown))
}
