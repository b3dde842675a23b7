//! Images of small CDs: a few files in one folder.
//!
//! Written as ECMA-119 (ISO 9660) has it, with the names a second time as Joliet has them, since those of level 1 are at most
//! `EIGHT_CH.EXT` in capitals. Linux, Windows and the BSDs read the second.
//!
//! ```text
//!   sector 0…15   of the system (6.2.1)          19, 20  path tables of the first, little- and big-endian (9.4)
//!   16            primary descriptor (8.4)       21, 22  those of Joliet
//!   17            Joliet's descriptor (8.5)      23      folder of the first (9.1)
//!   18            end of the descriptors (8.3)   24      folder of Joliet
//!                                                25…     the files, each from the start of a sector
//! ```

use crate::node::iso::SECTOR;

const PRIMARY: u32 = 16;
const JOLIET: u32 = 17;
const END: u32 = 18;
/// Of the little-endian path tables; the other stands behind each.
const TABLES: [u32; 2] = [19, 21];
const FOLDERS: [u32; 2] = [23, 24];
const FILES: u32 = 25;

/// Bytes of the path table of a single folder.
const TABLE: u32 = 10;
/// Joliet's third level: UCS-2, big-endian.
const UCS_2: &[u8] = b"%/E";
/// Flag of a directory record (9.1.6).
const FOLDER: u8 = 2;

/// Of all files (9.1.5), in years since 1900: the first second of 1970, since nobody asks, and two images of the same are equal.
const TIME: [u8; 7] = [70, 1, 1, 0, 0, 0, 0];

/// A file of the image.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Letters, digits, `-`, `_` and `.`.
    pub name: &'a str,
    /// Of level 1: `EIGHT_CH.EXT`.
    pub short: &'a str,
    pub content: &'a [u8],
}

/// Which of the two sets of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Short,
    Long,
}

/// An image with this label of at most 16 letters.
///
/// The folder is one sector: for about thirty files with names as above.
pub fn image(label: &str, files: &[File<'_>]) -> Vec<u8> {
    let mut extents = Vec::new();
    let mut next = FILES;
    for file in files {
        extents.push(next);
        next += sectors(file.content.len());
    }
    let mut image = vec![0; next as usize * SECTOR];
    let mut put = |at: u32, content: &[u8]| {
        let at = at as usize * SECTOR;
        image[at..at + content.len()].copy_from_slice(content);
    };
    put(PRIMARY, &descriptor(Names::Short, label, next));
    put(JOLIET, &descriptor(Names::Long, label, next));
    put(END, &[&[255], b"CD001".as_slice(), &[1]].concat());
    for (names, (table, folder)) in [Names::Short, Names::Long].into_iter().zip(places()) {
        put(table, &path_table(folder.to_le_bytes(), 1_u16.to_le_bytes()));
        put(table + 1, &path_table(folder.to_be_bytes(), 1_u16.to_be_bytes()));
        put(folder, &root(names, folder, files, &extents));
    }
    for (file, extent) in files.iter().zip(&extents) {
        put(*extent, file.content);
    }
    image
}

/// Of the path table and the folder of each set of names.
fn places() -> impl Iterator<Item = (u32, u32)> {
    TABLES.into_iter().zip(FOLDERS)
}

fn sectors(length: usize) -> u32 {
    length.div_ceil(SECTOR) as u32
}

/// A volume descriptor of `size` sectors.
fn descriptor(names: Names, label: &str, size: u32) -> Vec<u8> {
    let (kind, (table, folder)) = match names {
        Names::Short => (1, (TABLES[0], FOLDERS[0])),
        Names::Long => (2, (TABLES[1], FOLDERS[1])),
    };
    let mut sector = vec![0; SECTOR];
    let mut put = |at: usize, value: &[u8]| sector[at..at + value.len()].copy_from_slice(value);
    put(0, &[kind]);
    put(1, b"CD001");
    put(6, &[1]);
    // System, and label.
    put(8, &padded(names, "", 32));
    put(40, &padded(names, label, 32));
    put(80, &both(size));
    if names == Names::Long {
        put(88, UCS_2);
    }
    // One volume of one, and the bytes of a block.
    put(120, &both_short(1));
    put(124, &both_short(1));
    put(128, &both_short(SECTOR as u16));
    put(132, &both(TABLE));
    put(140, &table.to_le_bytes());
    put(148, &(table + 1).to_be_bytes());
    put(156, &record(&[0], (folder, SECTOR as u32), FOLDER));
    // Volume set, publisher, preparer and application; then three names of files.
    for at in [190, 318, 446, 574] {
        put(at, &padded(names, "", 128));
    }
    for at in [702, 739, 776] {
        put(at, &padded(names, "", 37));
    }
    // Four times that nobody wrote down (8.4.26.1).
    for at in [813, 830, 847, 864] {
        put(at, &[b'0'; 16]);
    }
    put(881, &[1]);
    sector
}

/// Of the root alone, which is its own parent.
fn path_table(folder: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    [[1, 0].as_slice(), &folder, &parent, &[0, 0]].concat()
}

/// The folder: itself, its parent, its files by their names.
fn root(names: Names, folder: u32, files: &[File<'_>], extents: &[u32]) -> Vec<u8> {
    let itself = (folder, SECTOR as u32);
    let mut records: Vec<(Vec<u8>, (u32, u32))> = files
        .iter()
        .zip(extents)
        .map(|(file, extent)| {
            // The number of a version (7.5.1), which readers of Joliet do without.
            let name = match names {
                Names::Short => format!("{};1", file.short),
                Names::Long => file.name.to_owned(),
            };
            (encoded(names, &name), (*extent, file.content.len() as u32))
        })
        .collect();
    records.sort();
    let mut content = [record(&[0], itself, FOLDER), record(&[1], itself, FOLDER)].concat();
    for (name, place) in records {
        content.extend(record(&name, place, 0));
    }
    content
}

/// A directory record (9.1).
fn record(name: &[u8], (extent, length): (u32, u32), flags: u8) -> Vec<u8> {
    let padding = usize::from(name.len().is_multiple_of(2));
    let mut record = vec![(33 + name.len() + padding) as u8, 0];
    record.extend(both(extent));
    record.extend(both(length));
    record.extend(TIME);
    record.extend([flags, 0, 0]);
    record.extend(both_short(1));
    record.push(name.len() as u8);
    record.extend(name);
    record.extend(vec![0; padding]);
    record
}

fn encoded(names: Names, text: &str) -> Vec<u8> {
    match names {
        Names::Short => text.as_bytes().to_vec(),
        Names::Long => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

/// With spaces behind it; what is left of an odd length in UCS-2 is zero.
fn padded(names: Names, text: &str, length: usize) -> Vec<u8> {
    let mut field = encoded(names, text);
    let space = encoded(names, " ");
    while field.len() + space.len() <= length {
        field.extend(&space);
    }
    field.resize(length, 0);
    field
}

/// A number in both orders (7.3.3).
fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// See 7.2.3.
fn both_short(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::node::iso::{claimed_size, is_iso};

    const LONG: &[u8] = &[b'x'; 5000];

    fn sample() -> Vec<u8> {
        let file = |name, short, content| File { name, short, content };
        image(
            "cidata",
            &[
                file("user-data", "USERDATA.", b""),
                file("meta-data", "METADATA.", LONG),
                file("network-config", "NETWORKC.", b"{}\n"),
            ],
        )
    }

    /// What xorriso reads by one of the two sets of names, and the label that it finds.
    fn read_by_xorriso(names: &str) -> (String, BTreeMap<String, Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let (path, out) = (dir.path().join("seed.iso"), dir.path().join("out"));
        fs::write(&path, sample()).unwrap();
        let output = Command::new("xorriso")
            .args(["-read_fs", names, "-indev"])
            .arg(&path)
            .args(["-pvd_info", "-osirrox", "on", "-extract", "/"])
            .arg(&out)
            .output()
            .expect("xorriso");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let label = told.lines().find_map(|line| line.strip_prefix("Volume Id    : "));
        let files = fs::read_dir(&out).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        });
        (label.unwrap_or_default().trim().to_owned(), files.collect())
    }

    #[test]
    fn another_reader_finds_label_names_and_contents() {
        let files = |names: [&str; 3]| -> BTreeMap<String, Vec<u8>> {
            let contents = [b"".as_slice(), LONG, b"{}\n"];
            names.map(str::to_owned).into_iter().zip(contents.map(<[u8]>::to_vec)).collect()
        };
        let long = files(["user-data", "meta-data", "network-config"]);
        assert_eq!(read_by_xorriso("any"), ("cidata".to_owned(), long));
        let short = files(["USERDATA", "METADATA", "NETWORKC"]);
        assert_eq!(read_by_xorriso("nojoliet"), ("cidata".to_owned(), short));
    }

    #[test]
    fn it_is_an_image_of_the_size_that_it_says() {
        let image = sample();
        assert!(is_iso(&image));
        assert_eq!(claimed_size(&image), Some(image.len() as u64));
        assert_eq!(image, sample(), "the same each time");
    }
}
