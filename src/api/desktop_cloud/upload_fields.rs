//! What is said of an upload: the same fields, whichever way its bytes come.

use uuid::Uuid;

use crate::api::input;
use crate::error::{Error, Result};
use crate::images::{IsoType, NewImage, NewKind, os_type};

/// What is uploaded, as far as it is known before its fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// For the pool of this uuid.
    BaseImage(Uuid),
    Iso,
}

/// The fields as text, as far as they have come.
#[derive(Debug)]
pub struct Fields {
    pub name: Option<String>,
    pub os_type: Option<String>,
    pub iso_type: Option<String>,
    pub disk: Option<String>,
}

impl Fields {
    /// An ISO has the name of its file when it is given none.
    pub fn name_by_file(&mut self, what: What, file: Option<&str>) {
        let file = file.filter(|_| what == What::Iso && self.name.is_none());
        let Some(file) = file.and_then(|path| path.rsplit(['/', '\\']).next()) else { return };
        let name = match file.len().checked_sub(4).and_then(|at| file.split_at_checked(at)) {
            Some((name, ending)) if ending.eq_ignore_ascii_case(".iso") => name,
            _ => file,
        };
        self.name = Some(name.to_owned());
    }

    /// What it is to become. An ISO's type may come behind its file, and is none of its name.
    pub fn kind(&self, what: What) -> Result<NewKind> {
        let iso_type = self.iso_type.as_deref().map(iso_type).transpose()?;
        Ok(match what {
            What::BaseImage(pool) => NewKind::Base(pool),
            What::Iso => NewKind::Iso(iso_type.unwrap_or(IsoType::System)),
        })
    }

    /// What is known of it by now.
    pub fn checked(&self, what: What) -> Result<NewImage> {
        let name = self.name.as_deref().ok_or_else(|| input::missing("name"))?;
        let name = input::name("name", name)?;
        let os_type = self.os_type.as_deref();
        let os_type =
            os_type.map(|text| input::name("os_type", text).map(|name| os_type::documented(&name)));
        let os_type = os_type.transpose()?.unwrap_or_default();
        let (kind, disk) = (self.kind(what)?, self.disk()?);
        Ok(NewImage { kind, name, desc: String::new(), os_type, disk })
    }

    /// As [`Fields::checked`], and nothing is missing.
    pub fn complete(&self, what: What) -> Result<NewImage> {
        let new = self.checked(what)?;
        if new.os_type.is_empty() {
            return Err(input::missing("os_type"));
        }
        if what == What::Iso && self.iso_type.is_none() {
            return Err(input::missing("iso_type"));
        }
        Ok(new)
    }

    /// Which disk of an OVA.
    fn disk(&self) -> Result<Option<u32>> {
        let given = self.disk.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let wrong = |cause: std::num::ParseIntError| {
            Error::bad_input("ova-disk-number").arg("field", "disk").because(cause)
        };
        given.map(|text| text.parse().map_err(wrong)).transpose()
    }
}

fn iso_type(text: &str) -> Result<IsoType> {
    let wrong = |cause: std::num::ParseIntError| {
        Error::bad_input("iso-type-unknown").arg("value", text).because(cause)
    };
    IsoType::parse(text.trim().parse().map_err(wrong)?)
}
