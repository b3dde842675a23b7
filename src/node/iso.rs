//! What a file must begin with to be an image of a CD or DVD.
//!
//! Both standards put their descriptors behind 32 KiB that are the system's: ISO 9660 (ECMA-119) `CD001`, UDF (ECMA-167)
//! `BEA01` and then `NSR02` or `NSR03`. Windows' installation media have both, and only a page of ISO 9660 behind it.

/// Bytes of a sector.
pub const SECTOR: usize = 2048;
/// The first descriptor's sector.
const FIRST: usize = 16;
/// UDF's own descriptor comes within so many.
const DESCRIPTORS: usize = 8;
/// So much of a file tells whether it is one.
pub const HEAD: usize = (FIRST + DESCRIPTORS) * SECTOR;

/// Whether a file that begins with this, [`HEAD`] bytes or all that it has, is an image of a CD.
pub fn is_iso(head: &[u8]) -> bool {
    let words = head.chunks_exact(SECTOR).skip(FIRST).map(|sector| &sector[1..6]);
    let mut is_extended = false;
    for word in words {
        match word {
            b"CD001" => return true,
            b"BEA01" => is_extended = true,
            b"NSR02" | b"NSR03" if is_extended => return true,
            _ => {}
        }
    }
    false
}

/// Bytes that the first volume of ISO 9660 takes by its own word; of one that is UDF alone nothing is known.
pub fn claimed_size(head: &[u8]) -> Option<u64> {
    const PRIMARY: u8 = 1;
    let mut sectors = head.chunks_exact(SECTOR).skip(FIRST);
    let volume = sectors.find(|sector| sector[0] == PRIMARY && &sector[1..6] == b"CD001")?;
    let blocks = u32::from_le_bytes(volume[80..84].try_into().ok()?);
    let block = u16::from_le_bytes(volume[128..130].try_into().ok()?);
    Some(u64::from(blocks) * u64::from(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(words: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        for (sector, word) in words {
            head[sector * SECTOR + 1..][..word.len()].copy_from_slice(word);
        }
        head
    }

    #[test]
    fn both_standards_are_known() {
        assert!(is_iso(&with(&[(16, b"CD001")])));
        assert!(is_iso(&with(&[(16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")])));
        assert!(is_iso(&with(&[(16, b"BEA01"), (17, b"NSR03")])));
        assert!(is_iso(&with(&[(16, b"CD001"), (19, b"BEA01"), (20, b"NSR02")])));
    }

    #[test]
    fn what_is_neither_is_not() {
        assert!(!is_iso(b""));
        assert!(!is_iso(b"CD001"));
        assert!(!is_iso(&with(&[])));
        assert!(!is_iso(&with(&[(15, b"CD001")])));
        assert!(!is_iso(&with(&[(17, b"NSR02")])), "it begins with BEA01");
        assert!(!is_iso(&with(&[(16, b"BEA01")])));
        assert!(!is_iso(&with(&[(16, b"CD001")])[..16 * SECTOR + 100]));
    }

    #[test]
    fn an_iso_says_how_large_it_is() {
        let mut head = with(&[(16, b"CD001")]);
        let volume = &mut head[16 * SECTOR..];
        volume[0] = 1;
        volume[80..84].copy_from_slice(&1000_u32.to_le_bytes());
        volume[128..130].copy_from_slice(&2048_u16.to_le_bytes());
        assert_eq!(claimed_size(&head), Some(2_048_000));
        assert_eq!(claimed_size(&with(&[(16, b"BEA01"), (17, b"NSR02")])), None);
    }
}
