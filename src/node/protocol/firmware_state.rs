//! What a machine's firmware keeps besides its disks.

use std::fmt;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};

/// Bytes of a file unpacked: many times what OVMF and swtpm write.
const LIMIT: u64 = 16 << 20;

/// The variables of UEFI and the state of a TPM: those of a template go with its version, and a desktop that is made anew
/// begins with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareState {
    pub nvram: Option<StateFile>,
    /// Holds keys: nobody but root and swtpm reads it.
    pub tpm: Option<StateFile>,
}

impl FirmwareState {
    /// With what `other` has in the place of what is missing.
    pub fn or(self, other: Self) -> Self {
        Self { nvram: self.nvram.or(other.nvram), tpm: self.tpm.or(other.tpm) }
    }

    /// For comparing: equal to this one.
    pub fn without_content(&self) -> Self {
        let without = |file: &StateFile| StateFile { packed: Vec::new(), ..file.clone() };
        Self { nvram: self.nvram.as_ref().map(without), tpm: self.tpm.as_ref().map(without) }
    }
}

/// A small file, packed by zlib. Two are equal when their sums are.
#[derive(Clone, Serialize, Deserialize)]
pub struct StateFile {
    sha256: String,
    #[serde(with = "serde_bytes")]
    packed: Vec<u8>,
}

impl StateFile {
    /// # Errors
    /// A defect.
    pub fn pack(content: &[u8]) -> Result<Self> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        let packed = packer.write_all(content).and_then(|()| packer.finish());
        packed.map(Self::of_packed).context("pack what a firmware keeps")
    }

    pub fn of_packed(packed: Vec<u8>) -> Self {
        Self { sha256: hex::encode(Sha256::digest(&packed)), packed }
    }

    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// # Errors
    /// `firmware-state-damaged`
    pub fn unpack(&self) -> Result<Vec<u8>> {
        let damaged = || Error::conflict("firmware-state-damaged");
        let mut content = Vec::new();
        let read =
            ZlibDecoder::new(self.packed.as_slice()).take(LIMIT + 1).read_to_end(&mut content);
        match read {
            Ok(length) if length as u64 <= LIMIT => Ok(content),
            Ok(_) => Err(damaged()),
            Err(cause) => Err(damaged().because(cause)),
        }
    }
}

impl PartialEq for StateFile {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

impl Eq for StateFile {}

/// Without what it holds, which may be keys.
impl fmt::Debug for StateFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StateFile({}, {} bytes)", self.sha256, self.packed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let content = vec![0xff; 540_672];
        let file = StateFile::pack(&content).unwrap();
        assert!(file.packed().len() < 4096);
        assert_eq!(file.unpack().unwrap(), content);
        assert_eq!(StateFile::of_packed(file.packed().to_vec()), file);
        let state = FirmwareState { nvram: Some(file), tpm: None };
        assert_eq!(state.without_content(), state);
        assert_eq!(FirmwareState::default().or(state.clone()), state);
        assert!(!format!("{state:?}").contains("255"));
    }

    #[test]
    fn what_is_damaged_or_never_ends_is_refused() {
        let key = |file: StateFile| file.unpack().unwrap_err().key().to_owned();
        assert_eq!(key(StateFile::of_packed(vec![1, 2, 3])), "firmware-state-damaged");
        let bomb = StateFile::pack(&vec![0; (LIMIT + 1) as usize]).unwrap();
        assert_eq!(key(bomb), "firmware-state-damaged");
        let mut cut = StateFile::pack(&[7; 1000]).unwrap().packed().to_vec();
        cut.truncate(cut.len() / 2);
        assert_eq!(key(StateFile::of_packed(cut)), "firmware-state-damaged");
    }
}
