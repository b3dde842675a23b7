//! The message catalogues (`assets/messages/*.ftl`, Fluent) and the choice of a language.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_langneg::parse_accepted_languages;
use unic_langid::{LanguageIdentifier, langid};

use crate::error::{Error, Result};

const ENGLISH: LanguageIdentifier = langid!("en");
const CHINESE: LanguageIdentifier = langid!("zh-CN");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Chinese,
    English,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Chinese, Self::English];

    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// The language of a tag that [`Language::tag`] gave.
    pub fn by_tag(tag: &str) -> Self {
        if tag == Self::Chinese.tag() { Self::Chinese } else { Self::English }
    }

    /// What `Accept-Language` asks for, else the dialect's own.
    pub fn negotiate(accept: Option<&str>, own: Self) -> Self {
        let Some(accept) = accept.filter(|text| !text.trim().is_empty() && text.trim() != "*")
        else {
            return own;
        };
        // By language alone: whoever reads zh-TW is better served by zh-CN than by the default.
        let wanted = parse_accepted_languages(accept);
        let known = |language: &str| match language {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        };
        wanted.iter().find_map(|range| known(range.language.as_str())).unwrap_or(own)
    }
}

/// Both catalogues, parsed.
pub struct Catalogues {
    chinese: FluentBundle<FluentResource>,
    english: FluentBundle<FluentResource>,
}

/// The part of an operation's message that says what it does to a thing.
const DEED: &str = "deed";

impl Catalogues {
    pub fn load() -> Result<Self> {
        Ok(Self {
            chinese: bundle(CHINESE, include_str!("../../assets/messages/zh-CN.ftl"))?,
            english: bundle(ENGLISH, include_str!("../../assets/messages/en.ftl"))?,
        })
    }

    fn bundle(&self, language: Language) -> &FluentBundle<FluentResource> {
        match language {
            Language::Chinese => &self.chinese,
            Language::English => &self.english,
        }
    }

    /// The sentence for a key. A missing key is a defect that a test finds; the key itself is shown.
    pub fn text(&self, language: Language, key: &str, args: &[(&str, &str)]) -> String {
        let bundle = self.bundle(language);
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut values = FluentArgs::new();
        for (name, value) in args {
            // As a number it chooses between singular and plural; all else may be a name of digits.
            let value = match *name {
                "count" => FluentValue::try_number(value),
                _ => FluentValue::from(*value),
            };
            values.set(*name, value);
        }
        let mut problems = Vec::new();
        bundle.format_pattern(pattern, Some(&values), &mut problems).into_owned()
    }

    /// What an operation of this kind is doing to a thing, in words that name none: its title may be of another.
    fn deed(&self, language: Language, kind: &str) -> String {
        let bundle = self.bundle(language);
        let message = bundle.get_message(kind);
        let deed = message.as_ref().and_then(|message| message.get_attribute(DEED));
        match deed {
            Some(deed) => bundle.format_pattern(deed.value(), None, &mut Vec::new()).into_owned(),
            None => kind.to_owned(),
        }
    }

    /// The sentence for an error. Of an `operation` it says what is being done, and the error that is its reason is
    /// said too.
    pub fn error(&self, language: Language, error: &Error) -> String {
        let reason = error
            .reason()
            .map(|fault| ("reason", self.error(language, &Error::from(fault.clone()))));
        let args: Vec<(&str, String)> = error
            .args()
            .map(|(name, value)| match name {
                "operation" => (name, self.deed(language, value)),
                _ => (name, value.to_owned()),
            })
            .chain(reason)
            .collect();
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.text(language, error.key(), &args)
    }

    #[cfg(test)]
    fn has(&self, key: &str) -> bool {
        self.english.has_message(key) && self.chinese.has_message(key)
    }
}

fn bundle(language: LanguageIdentifier, text: &str) -> Result<FluentBundle<FluentResource>> {
    let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, problems)| {
        Error::internal(format_args!("messages {language}: {problems:?}"))
    })?;
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Marks of direction around arguments would end up in log lines and file names.
    bundle.set_use_isolating(false);
    bundle
        .add_resource(resource)
        .map_err(|problems| Error::internal(format_args!("messages: {problems:?}")))?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Keys of a catalogue, for comparing the two.
    fn keys(text: &str) -> BTreeSet<String> {
        let lines = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        lines.filter_map(|line| line.split_once(" =")).map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn both_catalogues_have_the_same_keys() {
        let chinese = keys(include_str!("../../assets/messages/zh-CN.ftl"));
        let english = keys(include_str!("../../assets/messages/en.ftl"));
        let only: Vec<_> = chinese.symmetric_difference(&english).collect();
        assert!(only.is_empty(), "in one language only: {only:?}");
    }

    /// The kinds of operations are those of the sources: each has a title, and says what it does to a thing.
    #[test]
    fn every_operation_says_what_it_does_to_a_thing() {
        let catalogues = Catalogues::load().expect("catalogues");
        let mut kinds = BTreeSet::new();
        for text in [
            include_str!("../../assets/messages/en.ftl"),
            include_str!("../../assets/messages/zh-CN.ftl"),
        ] {
            let lines: Vec<&str> = text.lines().collect();
            let deeds = lines.windows(2).filter(|two| two[1].trim().starts_with(".deed ="));
            kinds.extend(deeds.filter_map(|two| two[0].split_once(" =")).map(|(kind, _)| kind));
        }
        assert!(kinds.len() > 30, "{kinds:?}");
        let sources: String = sources().into_iter().map(|(_, text)| text).collect();
        for kind in &kinds {
            assert!(sources.contains(&format!("\"{kind}\"")), "no operation is a {kind}");
            for language in [Language::Chinese, Language::English] {
                assert_ne!(catalogues.deed(language, kind), *kind);
                let error = Error::busy("operation-in-the-way").arg("operation", kind);
                let sentence = catalogues.error(language, &error.arg("name", "pc001"));
                assert!(sentence.contains("pc001"), "{sentence}");
                let holes = ["\"\"", "“”", "()", "（）", " ."];
                assert!(!holes.iter().any(|hole| sentence.contains(hole)), "{sentence}");
            }
        }
        // Every kind that some source gives an operation.
        let named = sources.split("NewOperation::new(\"").skip(1);
        for kind in named.filter_map(|rest| rest.split('"').next()) {
            assert!(kinds.contains(kind), "{kind} does not say what it does");
        }
    }

    #[test]
    fn one_thing_is_no_plural() {
        let catalogues = Catalogues::load().expect("catalogues");
        let said = |language, count| {
            let args = [("name", "007"), ("count", count), ("users", "pc")];
            catalogues.text(language, "education-group-in-use", &args)
        };
        let one = said(Language::English, "1");
        assert!(one.contains("\"007\" has one desktop group: pc."), "{one}");
        let two = said(Language::English, "2");
        assert!(two.contains("has 2 desktop groups: pc."), "{two}");
        let chinese = said(Language::Chinese, "1");
        assert!(chinese.contains("有 1 个桌面组"), "{chinese}");
    }

    /// What else the operation works on is not told, and leaves no hole either.
    #[test]
    fn what_is_in_the_way_is_a_whole_sentence() {
        let catalogues = Catalogues::load().expect("catalogues");
        let error = |operation| {
            let error = Error::busy("operation-in-the-way").arg("operation", operation);
            let error = error.arg("name", "mix");
            [Language::English, Language::Chinese]
                .map(|language| catalogues.error(language, &error))
        };
        let [english, chinese] = error("desktops-add");
        assert!(
            english.contains("\"mix\" is being worked on (desktops are being added)."),
            "{english}"
        );
        assert!(chinese.contains("“mix”正在执行其他操作（添加桌面）"), "{chinese}");
        for kind in ["desktop-groups-delete", "desktops-remake", "template-save"] {
            let holes = ["\"\"", ": )", ":)", " )", "“”", "：）"];
            for said in error(kind) {
                assert!(!holes.iter().any(|hole| said.contains(hole)), "{said}");
            }
        }
    }

    #[test]
    fn english_has_one_kind_of_quotes() {
        let english = include_str!("../../assets/messages/en.ftl");
        let other: Vec<_> = english.lines().filter(|line| line.contains(['“', '”'])).collect();
        assert!(other.is_empty(), "{other:#?}");
    }

    #[test]
    fn browsers_headers_are_understood() {
        let negotiate = |text| Language::negotiate(Some(text), Language::Chinese);
        assert_eq!(negotiate("en-GB,en;q=0.9"), Language::English);
        assert_eq!(negotiate("zh-TW,zh;q=0.9,en;q=0.8"), Language::Chinese);
        assert_eq!(negotiate("fr"), Language::Chinese);
        assert_eq!(Language::negotiate(None, Language::English), Language::English);
    }

    /// Every key that the code names must have a sentence: a literal given to an error constructor.
    #[test]
    fn every_key_in_the_code_has_a_sentence() {
        let catalogues = Catalogues::load().expect("catalogues");
        let mut missing = Vec::new();
        for (file, text) in sources() {
            for key in named_keys(&text) {
                if !catalogues.has(&key) {
                    missing.push(format!("{file}: {key}"));
                }
            }
        }
        assert!(missing.is_empty(), "no sentence for {missing:#?}");
    }

    fn named_keys(text: &str) -> Vec<String> {
        const CALLS: [&str; 14] = [
            "bad_input(\"",
            "not_found(\"",
            "conflict(\"",
            "busy(\"",
            "no_room(\"",
            "forbidden(\"",
            "unreachable(\"",
            "Kind::NotSignedIn, \"",
            "Kind::Cancelled, \"",
            "Kind::TooMany, \"",
            "Message::new(\"",
            ".audited(\"",
            ".refused_as(\"",
            "key: \"",
        ];
        let mut keys = Vec::new();
        for call in CALLS {
            for rest in text.split(call).skip(1) {
                let mut literal = rest.split('"');
                let first = literal.next().unwrap_or_default();
                let key =
                    if call == ".audited(\"" { literal.nth(1).unwrap_or_default() } else { first };
                if !key.is_empty()
                    && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                {
                    keys.push(key.to_owned());
                }
            }
        }
        keys
    }

    fn sources() -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![std::path::PathBuf::from("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("read src") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ext| ext == "rs")
                    && !path.ends_with("language.rs")
                {
                    let text = std::fs::read_to_string(&path).expect("read source");
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                    found.push((path.display().to_string(), code));
                }
            }
        }
        found
    }
}
