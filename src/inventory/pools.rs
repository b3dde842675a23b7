//! Resource pools.

use uuid::Uuid;

use super::{Inventory, Pool, store};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};

/// Names of users that a refusal lists.
const NAMES_SHOWN: usize = 5;

/// A pool in a list.
#[derive(Debug, Clone)]
pub struct PoolLine {
    pub pool: Pool,
    pub host_count: u32,
    /// Names of nodes that do not answer.
    pub nodes_down: Option<String>,
    /// Images or templates are on their way to a node.
    pub is_copying: bool,
}

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

    /// Deletes an empty pool and returns its name.
    ///
    /// # Errors
    /// `pool-unknown`, `pool-is-default`, `pool-not-empty` with the names of what is in it.
    pub fn delete_pool(&self, uuid: Uuid) -> Result<String> {
        self.inner.store.write(|tx| {
            let pool = store::pools::find(tx, uuid)?;
            if pool.is_default {
                return Err(Error::conflict("pool-is-default").arg("name", pool.name));
            }
            let contents = store::pools::contents(tx, pool.id)?;
            if !contents.is_empty() {
                let error = Error::conflict("pool-not-empty").arg("name", pool.name);
                return Err(error
                    .arg("count", contents.len())
                    .arg("users", contents[..contents.len().min(NAMES_SHOWN)].join(", ")));
            }
            store::pools::delete(tx, pool.id)?;
            Ok(pool.name)
        })
    }
}
