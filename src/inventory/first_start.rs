//! What a fresh installation begins with.

use uuid::Uuid;

use super::{DEFAULT_NAME, NodeRole, store};
use crate::error::Result;
use crate::store::Store;

/// Name of the controller's own node until its host name is known.
const LOCAL_NAME: &str = "controller";
/// Its address until its network cards are known.
const LOCAL_ADDRESS: &str = "127.0.0.1";

/// Makes what is missing, and returns the installation's identity.
pub fn prepare(store: &Store) -> Result<Uuid> {
    store.write(|tx| {
        let installation = match store::installation(tx)? {
            Some(uuid) => uuid,
            None => store::make_installation(tx)?,
        };
        let pool = match store::pools::find_default(tx)? {
            Some(pool) => pool.id,
            None => store::pools::insert(tx, DEFAULT_NAME, None, true)?,
        };
        if store::nodes::find_local(tx)?.is_none() {
            let role = NodeRole::ControllerAndCompute;
            store::nodes::insert(tx, LOCAL_NAME, pool, role, true, LOCAL_ADDRESS)?;
        }
        // Nothing is connected in a process that has just begun.
        store::nodes::forget_status(tx)?;
        Ok(installation)
    })
}
