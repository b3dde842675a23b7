//! Which of the forms that a file lies ready in a client takes (RFC 9110, 12.5.3), and whether it has it.
//!
//! Only what is the same for everybody is compressed: an answer that holds a secret beside what its reader sent would
//! tell the secret by its length.

use rocket::Request;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// Best first.
    pub const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// As `Accept-Encoding` and `Content-Encoding` say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a file in this coding ends in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }
}

/// The codings that the client of a request takes, those that it likes best first. Empty where it says nothing.
pub fn accepted(request: &Request<'_>) -> Vec<Coding> {
    let lines: Vec<&str> = request.headers().get("Accept-Encoding").collect();
    preferred(&lines.join(","))
}

/// Whether the client has what this tag stands for already.
pub fn is_known(request: &Request<'_>, tag: &str) -> bool {
    let lines = request.headers().get("If-None-Match");
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn preferred(header: &str) -> Vec<Coding> {
    let listed: Vec<(String, u16)> = header.split(',').filter_map(weighed).collect();
    let weight_of = |word: &str| listed.iter().find(|(name, _)| name == word).map(|(_, q)| *q);
    let weight = |coding: Coding| {
        let named = weight_of(coding.word());
        let alias = || (coding == Coding::Gzip).then(|| weight_of("x-gzip")).flatten();
        named.or_else(alias).or_else(|| weight_of("*")).unwrap_or(0)
    };
    // As it stands, a file is always to be had; a client may still like that better.
    let plain = weight_of("identity").unwrap_or(0);
    let liked = |coding: &Coding| weight(*coding) > 0 && weight(*coding) >= plain;
    let mut found: Vec<Coding> = Coding::ALL.into_iter().filter(liked).collect();
    found.sort_by_key(|coding| std::cmp::Reverse(weight(*coding)));
    found
}

/// A coding with its weight in thousandths; one whose weight cannot be read is not wanted.
fn weighed(part: &str) -> Option<(String, u16)> {
    let mut parts = part.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let told = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = told.map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
    Some((name, (weight.clamp(0.0, 1.0) * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_s_weights_decide_and_then_what_is_smaller() {
        use Coding::{Brotli, Gzip};
        for (header, expected) in [
            ("gzip, deflate, br, zstd", vec![Brotli, Gzip]),
            ("gzip", vec![Gzip]),
            ("GZIP ; q=0.5", vec![Gzip]),
            ("x-gzip", vec![Gzip]),
            ("br;q=0.1, gzip;q=0.9", vec![Gzip, Brotli]),
            ("*", vec![Brotli, Gzip]),
            ("br;q=0, *", vec![Gzip]),
            ("*;q=0", vec![]),
            ("gzip;q=0", vec![]),
            ("identity, gzip;q=0.5", vec![]),
            ("identity;q=0.5, gzip;q=0.5", vec![Gzip]),
            ("gzip;q=nonsense", vec![]),
            ("deflate", vec![]),
            ("", vec![]),
            (" , ;q=1", vec![]),
        ] {
            assert_eq!(preferred(header), expected, "{header}");
        }
    }
}
