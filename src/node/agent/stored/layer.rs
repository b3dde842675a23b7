//! How what is stored names a layer.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::node::protocol::{LayerKind, LayerRef};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredLayerV1 {
    uuid: Uuid,
    kind: StoredLayerKindV1,
    storage: String,
}

#[derive(Serialize, Deserialize)]
enum StoredLayerKindV1 {
    BaseImage,
    TemplateVersion,
    Iso,
}

impl From<StoredLayerV1> for LayerRef {
    fn from(StoredLayerV1 { uuid, kind, storage }: StoredLayerV1) -> Self {
        let kind = match kind {
            StoredLayerKindV1::BaseImage => LayerKind::BaseImage,
            StoredLayerKindV1::TemplateVersion => LayerKind::TemplateVersion,
            StoredLayerKindV1::Iso => LayerKind::Iso,
        };
        Self { uuid, kind, storage }
    }
}

impl From<&LayerRef> for StoredLayerV1 {
    fn from(LayerRef { uuid, kind, storage }: &LayerRef) -> Self {
        let kind = match kind {
            LayerKind::BaseImage => StoredLayerKindV1::BaseImage,
            LayerKind::TemplateVersion => StoredLayerKindV1::TemplateVersion,
            LayerKind::Iso => StoredLayerKindV1::Iso,
        };
        Self { uuid: *uuid, kind, storage: storage.clone() }
    }
}
