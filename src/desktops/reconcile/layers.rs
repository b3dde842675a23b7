//! Layers whose file is gone, or one below it: what stands on them cannot be made or started.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Held;
use crate::desktops::store::actual::NodeLayer;
use crate::error::{Error, Fault};
use crate::images::{CopyState, LayerCopy};
use crate::node::protocol::{FileKind, StoredFile};

/// Key of the error of a file that is gone.
const MISSING: &str = "layer-missing";

/// The copies that are another way than their rows say, as they are. `layers` were read before the node was asked for
/// its `files`: one that was made since is in neither.
pub fn differing(layers: &[NodeLayer], files: &[StoredFile], held: &Held) -> Vec<LayerCopy> {
    let is_layer = |file: &&StoredFile| matches!(file.kind, FileKind::Layer(_));
    let there: HashSet<Uuid> = files.iter().filter(is_layer).map(|file| file.uuid).collect();
    let by_uuid: HashMap<Uuid, &NodeLayer> =
        layers.iter().map(|layer| (layer.copy.layer, layer)).collect();
    let free = layers
        .iter()
        .filter(|layer| !held.contains(&layer.copy.layer) && !held.contains(&layer.owner));
    free.filter_map(|layer| {
        let hole = hole(layer, &by_uuid, &there);
        let state = match (&layer.copy.state, hole) {
            (CopyState::Ready, Some(hole)) => CopyState::Failed(missing(hole)),
            (CopyState::Failed(fault), None) if fault.key == MISSING => CopyState::Ready,
            _ => return None,
        };
        Some(LayerCopy { state, ..layer.copy.clone() })
    })
    .collect()
}

/// The first of a layer and those below it whose file is not there.
fn hole<'a>(
    layer: &'a NodeLayer,
    by_uuid: &HashMap<Uuid, &'a NodeLayer>,
    there: &HashSet<Uuid>,
) -> Option<&'a LayerCopy> {
    let mut next = Some(layer);
    // A circle would be a defect of the rows.
    for _ in 0..=by_uuid.len() {
        let layer = next?;
        if !there.contains(&layer.copy.layer) {
            return Some(&layer.copy);
        }
        next = layer.below.and_then(|below| by_uuid.get(&below).copied());
    }
    None
}

fn missing(copy: &LayerCopy) -> Fault {
    // The file of a template's layer is known to its node alone.
    let path = if copy.path.is_empty() { &copy.storage } else { &copy.path };
    Error::not_found(MISSING).arg("uuid", copy.layer).arg("path", path).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::protocol::LayerKind;
    use crate::store::NodeId;

    fn layer(uuid: Uuid, below: Option<Uuid>, state: CopyState) -> NodeLayer {
        let copy = LayerCopy {
            layer: uuid,
            node_id: NodeId::new(1),
            storage: "/s".into(),
            path: format!("/s/{uuid}"),
            state,
        };
        NodeLayer { copy, below, owner: Uuid::nil() }
    }

    fn files(uuids: &[Uuid]) -> Vec<StoredFile> {
        let kind = FileKind::Layer(LayerKind::BaseImage);
        let file = |uuid: &Uuid| StoredFile {
            storage: "/s".into(),
            kind,
            uuid: *uuid,
            path: uuid.to_string(),
        };
        uuids.iter().map(file).collect()
    }

    #[test]
    fn what_stands_on_a_lost_file_is_lost_with_it_until_it_is_back() {
        let [base, one, two, other] = [(); 4].map(|()| Uuid::new_v4());
        let all = [
            layer(base, None, CopyState::Ready),
            layer(one, Some(base), CopyState::Ready),
            layer(two, Some(one), CopyState::Ready),
            layer(other, None, CopyState::Ready),
        ];
        assert!(differing(&all, &files(&[base, one, two, other]), &Held::new()).is_empty());
        let lost = differing(&all, &files(&[one, two, other]), &Held::new());
        let of = |uuid: Uuid| lost.iter().find(|copy| copy.layer == uuid);
        for uuid in [base, one, two] {
            let Some(LayerCopy { state: CopyState::Failed(fault), .. }) = of(uuid) else {
                panic!("{lost:?}")
            };
            assert!(fault.args.iter().any(|(_, value)| *value == format!("/s/{base}")));
        }
        assert!(of(other).is_none());
        assert_eq!(differing(&all, &files(&[one, two, other]), &Held::from([two])).len(), 2);

        let failed =
            |uuid: Uuid| CopyState::Failed(missing(&layer(uuid, None, CopyState::Ready).copy));
        let back = [layer(base, None, failed(base)), layer(one, Some(base), failed(base))];
        let mended = differing(&back, &files(&[base, one]), &Held::new());
        assert!(mended.len() == 2 && mended.iter().all(|copy| copy.state == CopyState::Ready));
        // Of another reason, or one whose copying goes on: no business of a look.
        let damaged = CopyState::Failed(Error::conflict("image-copy-lost").into());
        let others = [layer(base, None, damaged), layer(one, None, CopyState::Copying(7))];
        assert!(differing(&others, &files(&[base]), &Held::new()).is_empty());
    }
}
