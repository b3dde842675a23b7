//! The description of a machine: which files are its disks, and from which it starts.

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::damaged;
use crate::error::{Error, Result};
use crate::node::protocol::Boots;

/// The numbers by which CIM calls a disk drive, processors and memory.
const DISK_DRIVE: &str = "17";
const PROCESSORS: &str = "3";
const MEMORY: &str = "4";
/// What more than these says is no machine of a desk.
const VCPU_MOST: u64 = 128;
const MEMORY_MOST: u64 = 1 << 20;
/// More elements than any machine has.
const PARTS_LIMIT: usize = 10_000;
/// Letters of what a file says, in a message.
const SHORT: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Descriptor {
    machines: usize,
    files: HashMap<String, FileRef>,
    disks: Vec<Disk>,
    drives: Vec<Drive>,
    /// As its maker calls it.
    firmware: String,
}

/// What the machine was, as far as it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::node::agent::disks) struct Machine {
    pub vcpu: Option<u32>,
    pub memory_mib: Option<u64>,
    pub boots: Option<Boots>,
}

#[derive(Debug, Default)]
struct FileRef {
    name: String,
    compression: String,
    is_in_pieces: bool,
}

#[derive(Debug, Default)]
pub struct Disk {
    id: String,
    file: String,
    parent: String,
}

/// A part of the machine; the texts of the elements that are looked at.
#[derive(Debug, Default)]
struct Drive {
    kind: String,
    disk: String,
    controller: String,
    place: String,
    quantity: String,
    units: String,
}

impl Descriptor {
    /// Its disks, the one that it starts from first, without those that are empty.
    pub fn disks(&self) -> Result<Vec<&Disk>> {
        if self.machines > 1 {
            return Err(Error::bad_input("ova-several-machines"));
        }
        let mut drives: Vec<&Drive> =
            self.drives.iter().filter(|drive| drive.kind == DISK_DRIVE).collect();
        let number = |text: &str| text.parse::<u32>().unwrap_or(0);
        drives.sort_by_key(|drive| (number(&drive.controller), number(&drive.place)));
        let at = |disk: &&Disk| {
            drives.iter().position(|drive| drive.disk == disk.id).unwrap_or(usize::MAX)
        };
        let mut disks: Vec<&Disk> =
            self.disks.iter().filter(|disk| !disk.file.is_empty()).collect();
        disks.sort_by_key(at);
        if disks.is_empty() { Err(Error::bad_input("ova-no-disk")) } else { Ok(disks) }
    }

    /// What people know a disk by.
    pub fn name<'a>(&'a self, disk: &'a Disk) -> &'a str {
        self.files.get(&disk.file).map_or(&disk.file, |file| &file.name)
    }

    pub fn machine(&self) -> Machine {
        let part = |kind: &str| self.drives.iter().find(|part| part.kind == kind);
        let number = |part: &Drive| part.quantity.parse::<u64>().ok();
        let vcpu = part(PROCESSORS).and_then(number).filter(|vcpu| (1..=VCPU_MOST).contains(vcpu));
        let memory = part(MEMORY).and_then(|part| in_mib(number(part)?, &part.units));
        let firmware = self.firmware.to_ascii_lowercase();
        Machine {
            vcpu: vcpu.and_then(|vcpu| u32::try_from(vcpu).ok()),
            memory_mib: memory.filter(|memory| (1..=MEMORY_MOST).contains(memory)),
            boots: match firmware.as_str() {
                "bios" => Some(Boots::Bios),
                efi if efi.starts_with("efi") => Some(Boots::Uefi),
                _ => None,
            },
        }
    }

    /// The file of a disk, all of which is in it.
    pub fn file(&self, disk: &Disk) -> Result<&str> {
        if !disk.parent.is_empty() {
            return Err(Error::bad_input("image-has-backing-file").arg("file", short(&disk.parent)));
        }
        let missing = || Error::bad_input("ova-file-missing").arg("file", short(&disk.file));
        let file = self.files.get(&disk.file).ok_or_else(missing)?;
        if !matches!(file.compression.as_str(), "" | "identity") || file.is_in_pieces {
            let kind = if file.is_in_pieces { "chunks" } else { file.compression.as_str() };
            return Err(Error::bad_input("image-packed").arg("kind", short(kind)));
        }
        Ok(&file.name)
    }

    fn begin(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let name = element.local_name();
        let parts = self.files.len() + self.disks.len() + self.drives.len();
        if parts > PARTS_LIMIT {
            return Err(damaged(format_args!("more than {PARTS_LIMIT} parts")));
        }
        match name.as_ref() {
            "VirtualSystem" => self.machines += 1,
            "File" => {
                let file = FileRef {
                    name: attribute(element, "href")?,
                    compression: attribute(element, "compression")?,
                    is_in_pieces: !attribute(element, "chunkSize")?.is_empty(),
                };
                self.files.insert(attribute(element, "id")?, file);
            }
            "Disk" => self.disks.push(Disk {
                id: attribute(element, "diskId")?,
                file: attribute(element, "fileRef")?,
                parent: attribute(element, "parentRef")?,
            }),
            // Of VMware and of VirtualBox.
            "Config" if attribute(element, "key")? == "firmware" => {
                self.firmware = attribute(element, "value")?;
            }
            "Firmware" => self.firmware = attribute(element, "type")?,
            "Item" | "StorageItem" => self.drives.push(Drive::default()),
            _ => {}
        }
        Ok(())
    }

    /// A text in an element of the part that is read now.
    fn text(&mut self, element: &str, text: &str) {
        let Some(drive) = self.drives.last_mut() else { return };
        let of = match element {
            "ResourceType" => &mut drive.kind,
            "Parent" => &mut drive.controller,
            "AddressOnParent" => &mut drive.place,
            "VirtualQuantity" => &mut drive.quantity,
            "AllocationUnits" => &mut drive.units,
            "HostResource" => {
                let disk = text.rsplit('/').next().unwrap_or_default();
                drive.disk = disk.trim().to_owned();
                return;
            }
            _ => return,
        };
        *of = text.trim().to_owned();
    }
}

/// Units are `byte * 2^20` since OVF 1.0, and words before; megabytes where nothing is said.
fn in_mib(number: u64, units: &str) -> Option<u64> {
    let units = units.to_ascii_lowercase().replace(' ', "");
    let power = match units.split_once("byte*2^") {
        Some((_, power)) => power.parse().ok()?,
        None if units.starts_with("giga") || units == "gb" => 30,
        None if units.starts_with("kilo") || units == "kb" => 10,
        None if units == "byte" || units == "bytes" => 0,
        None => 20,
    };
    let bytes = number.checked_mul(1_u64.checked_shl(power)?)?;
    Some(bytes >> 20)
}

/// # Errors
/// `ova-damaged` for what is no XML, or has parts without end.
pub(super) fn parse(text: &str) -> Result<Descriptor> {
    let mut reader = Reader::from_str(text);
    let (mut descriptor, mut element) = (Descriptor::default(), String::new());
    loop {
        match reader.read_event().map_err(damaged)? {
            Event::Start(start) => {
                descriptor.begin(&start)?;
                element = start.local_name().as_ref().to_owned();
            }
            Event::Empty(start) => descriptor.begin(&start)?,
            Event::Text(text) if !element.is_empty() => {
                descriptor.text(&element, &text.xml10_content());
            }
            Event::End(_) => element.clear(),
            Event::Eof => return Ok(descriptor),
            _ => {}
        }
    }
}

/// By its name without its prefix; empty when there is none.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<String> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(damaged)?;
        if attribute.key.local_name().as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(damaged)?;
            return Ok(value.into_owned());
        }
    }
    Ok(String::new())
}

/// What a file says of itself, fit for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCES: &str = "<References><File ovf:id='f1' ovf:href='data.vmdk'/>\
        <File ovf:id='f2' ovf:href='system.vmdk'/></References><DiskSection><Info>disks</Info>\
        <Disk ovf:diskId='d1' ovf:fileRef='f1'/><Disk ovf:diskId='d2' ovf:fileRef='f2'/>\
        <Disk ovf:diskId='empty' ovf:capacity='1'/></DiskSection>";

    fn drive(disk: &str, place: u32) -> String {
        format!(
            "<Item><rasd:AddressOnParent>{place}</rasd:AddressOnParent>\
             <rasd:HostResource>ovf:/disk/{disk}</rasd:HostResource><rasd:Parent>3</rasd:Parent>\
             <rasd:ResourceType>17</rasd:ResourceType></Item>"
        )
    }

    fn disks(text: &str) -> Result<Vec<String>> {
        let descriptor = parse(&format!("<Envelope>{text}</Envelope>"))?;
        let files = descriptor.disks()?.into_iter().map(|disk| descriptor.file(disk));
        files.map(|file| file.map(str::to_owned)).collect()
    }

    fn key(text: &str) -> String {
        disks(text).expect_err("refused").key().to_owned()
    }

    #[test]
    fn the_disk_that_a_machine_starts_from_comes_first() {
        let system = format!("<VirtualSystem>{}{}</VirtualSystem>", drive("d1", 1), drive("d2", 0));
        let both = disks(&format!("{REFERENCES}{system}")).expect("disks");
        assert_eq!(both, ["system.vmdk", "data.vmdk"]);
        // Nothing says where they are: as they stand.
        assert_eq!(disks(REFERENCES).expect("disks"), ["data.vmdk", "system.vmdk"]);
    }

    #[test]
    fn a_machine_says_what_it_was() {
        let part = |kind: &str, quantity: &str, units: &str| {
            format!(
                "<Item><rasd:AllocationUnits>{units}</rasd:AllocationUnits>\
                 <rasd:ResourceType>{kind}</rasd:ResourceType>\
                 <rasd:VirtualQuantity>{quantity}</rasd:VirtualQuantity></Item>"
            )
        };
        let machine =
            |parts: &str| parse(&format!("<Envelope>{parts}</Envelope>")).expect("XML").machine();
        let vmware = part("3", "4", "hertz * 10^6")
            + &part("4", "8192", "byte * 2^20")
            + "<vmw:Config ovf:required='false' vmw:key='firmware' vmw:value='efi'/>\
               <vmw:Config vmw:key='cpuHotAddEnabled' vmw:value='true'/>";
        let wanted = Machine { vcpu: Some(4), memory_mib: Some(8192), boots: Some(Boots::Uefi) };
        assert_eq!(machine(&vmware), wanted);
        let virtual_box =
            part("3", "1", "") + &part("4", "2", "GigaBytes") + "<Firmware type='EFI64'/>";
        let wanted = Machine { vcpu: Some(1), memory_mib: Some(2048), boots: Some(Boots::Uefi) };
        assert_eq!(machine(&virtual_box), wanted);
        let bios = "<vmw:Config vmw:key='firmware' vmw:value='bios'/>";
        assert_eq!(machine(bios).boots, Some(Boots::Bios));
        for lie in ["0", "-1", "many", "18446744073709551615"] {
            assert_eq!(
                machine(&(part("3", lie, "") + &part("4", lie, "byte * 2^40"))),
                Machine::default()
            );
        }
        assert_eq!(machine(&part("4", "8", "byte * 2^4000")), Machine::default());
    }

    #[test]
    fn a_disk_is_judged_when_it_is_chosen_and_its_words_are_cut() {
        let packed = REFERENCES.replace("href='data", "compression='gzip' ovf:href='data");
        let descriptor = parse(&format!("<Envelope>{packed}</Envelope>")).expect("XML");
        let both = descriptor.disks().expect("disks");
        let named = both.iter().map(|disk| descriptor.name(disk)).collect::<Vec<_>>();
        assert_eq!(named, ["data.vmdk", "system.vmdk"]);
        assert_eq!(descriptor.file(both[0]).expect_err("packed").key(), "image-packed");
        assert_eq!(descriptor.file(both[1]).expect("whole"), "system.vmdk");
        assert_eq!(short(&format!("a\u{1b}[31m{}", "长".repeat(1_000))).chars().count(), SHORT);
    }

    #[test]
    fn what_is_no_machine_is_refused() {
        let two = format!("{REFERENCES}<VirtualSystem/><VirtualSystem/>");
        assert_eq!(key(&two), "ova-several-machines");
        assert_eq!(key("<References/>"), "ova-no-disk");
        let lost = REFERENCES.replace("fileRef='f1'", "fileRef='f9'");
        assert_eq!(key(&lost), "ova-file-missing");
        let packed = REFERENCES.replace("href='data", "compression='gzip' ovf:href='data");
        assert_eq!(key(&packed), "image-packed");
        let pieces = REFERENCES.replace("href='data", "chunkSize='7' ovf:href='data");
        assert_eq!(key(&pieces), "image-packed");
        let based = REFERENCES.replace("diskId='d1'", "diskId='d1' ovf:parentRef='d2'");
        assert_eq!(key(&based), "image-has-backing-file");
        assert_eq!(parse("<a><b></a>").expect_err("no XML").key(), "ova-damaged");
        // Nothing is expanded, and no other file read.
        let bomb = "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\
            <a><Item><rasd:HostResource>&x;</rasd:HostResource></Item></a>";
        assert!(parse(bomb).is_ok_and(|read| read.drives[0].disk.is_empty()));
        let many = "<Disk/>".repeat(PARTS_LIMIT + 2);
        assert_eq!(parse(&format!("<a>{many}</a>")).expect_err("many").key(), "ova-damaged");
    }
}
