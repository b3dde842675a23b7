//! The sums of an OVA's files: lines such as `SHA256(disk.vmdk)= 9f86…`.

use std::collections::HashMap;

use sha2::Digest;

use crate::error::{Error, Result};

/// A sum that a file is to have, and how far it is counted.
pub(super) struct Sum {
    wanted: String,
    counted: Counted,
}

enum Counted {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
}

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        match &mut self.counted {
            Counted::Sha1(sum) => sha1::Digest::update(sum, bytes),
            Counted::Sha256(sum) => sum.update(bytes),
            Counted::Sha512(sum) => sum.update(bytes),
        }
    }

    pub fn of(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    /// # Errors
    /// `ova-sum-wrong`
    pub fn require(self, file: &str) -> Result<()> {
        let found = match self.counted {
            Counted::Sha1(sum) => hex::encode(sha1::Digest::finalize(sum)),
            Counted::Sha256(sum) => hex::encode(sum.finalize()),
            Counted::Sha512(sum) => hex::encode(sum.finalize()),
        };
        match found.eq_ignore_ascii_case(&self.wanted) {
            true => Ok(()),
            false => Err(Error::bad_input("ova-sum-wrong").arg("file", file)),
        }
    }
}

/// By the names of files. Lines of another form say nothing.
pub(super) fn parse(text: &str) -> HashMap<String, Sum> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(String, Sum)> {
    let (kind, rest) = line.split_once('(')?;
    let (name, wanted) = rest.rsplit_once(')')?;
    let wanted = wanted.trim_start().strip_prefix('=')?.trim().to_owned();
    let counted = match kind.trim().to_ascii_uppercase().as_str() {
        "SHA1" => Counted::Sha1(sha1::Digest::new()),
        "SHA256" => Counted::Sha256(sha2::Sha256::new()),
        "SHA512" => Counted::Sha512(Box::new(sha2::Sha512::new())),
        _ => return None,
    };
    Some((name.trim().to_owned(), Sum { wanted, counted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_and_compared() {
        let text = "SHA1(a.ovf)= A9993E364706816ABA3E25717850C26C9CD0D89D\n\
            SHA256 (b (1).vmdk) = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\r\n\
            nonsense\nMD5(c)= 0\n";
        let mut sums = parse(text);
        assert_eq!(sums.len(), 2);
        sums.remove("a.ovf").expect("its sum").of(b"abc").require("a.ovf").expect("right");
        let other = sums.remove("b (1).vmdk").expect("its sum");
        let error = other.of(b"abd").require("b (1).vmdk").expect_err("wrong");
        assert_eq!(error.key(), "ova-sum-wrong");
    }
}
