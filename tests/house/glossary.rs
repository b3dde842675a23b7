//! One word for one thing: `docs/glossary.md` against the texts of console and server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// A text that people read, and by what it is known.
struct Text {
    key: String,
    words: String,
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn of_console(path: &str) -> Vec<Text> {
    fn walk(value: &Value, key: &str, found: &mut Vec<Text>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| {
                let dot = if key.is_empty() { "" } else { "." };
                walk(value, &format!("{key}{dot}{name}"), found);
            }),
            value => found.push(Text {
                key: key.to_owned(),
                words: value.as_str().expect("a text").to_owned(),
            }),
        }
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(&read(path)).expect("JSON"), "", &mut found);
    found
}

/// Messages with the lines that go on below them.
fn of_server(path: &str) -> Vec<Text> {
    let mut found: Vec<Text> = Vec::new();
    let text = read(path);
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let begins = !line.starts_with([' ', '}']);
        match (line.split_once('='), found.last_mut()) {
            (Some((key, words)), _) if begins => {
                let (key, words) = (key.trim().to_owned(), without_values(words));
                found.push(Text { key, words });
            }
            (_, Some(last)) => last.words = format!("{} {}", last.words, without_values(line)),
            _ => panic!("{path}: {line}"),
        }
    }
    found
}

/// `{ $email }` is a name for programs.
fn without_values(text: &str) -> String {
    let mut parts = text.split("{ $");
    let first = parts.next().unwrap_or_default().to_owned();
    parts
        .fold(first, |text, part| text + part.split_once('}').map_or("", |(_, rest)| rest))
        .trim()
        .to_owned()
}

/// Whether a text has a word: as a whole one where words are parted, at the beginning where the glossary says so.
fn has(text: &str, word: &str) -> bool {
    if let Some(start) = word.strip_prefix('^') {
        return text.starts_with(start);
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].chars().next_back().is_some_and(is_letter);
        let after = text[at + found.len()..].chars().next().is_some_and(is_letter);
        !(word.is_ascii() && (before || after))
    })
}

#[test]
fn the_glossary_has_one_word_for_one_thing() {
    let glossary = read("docs/glossary.md");
    let table = glossary.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<Vec<&str>> =
        table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    let spared: BTreeSet<&str> = glossary.split('`').skip(1).step_by(2).collect();
    let languages = [
        (1, 3, ["static/src/locales/en.json", "assets/messages/en.ftl"]),
        (2, 4, ["static/src/locales/zh-CN.json", "assets/messages/zh-CN.ftl"]),
    ];
    let mut wrong = Vec::new();
    for (word, others, [console, server]) in languages {
        let texts = [(console, of_console(console)), (server, of_server(server))];
        for row in &rows {
            let [_, _, _, _, _] = row[..] else { panic!("five cells: {row:?}") };
            for other in row[others].split('、') {
                assert!(!has(row[word], other), "{other} is both the word and none");
                for (file, texts) in &texts {
                    let found = texts.iter().filter(|text| !spared.contains(text.key.as_str()));
                    wrong.extend(found.filter(|text| has(&text.words, other)).map(|text| {
                        format!(
                            "{file}: {}: {other:?}, say {:?}: {}",
                            text.key, row[word], text.words
                        )
                    }));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Parts of the product are called alike in the console's log and in its file for spreadsheets.
#[test]
fn parts_of_the_product_have_one_name() {
    for (console, server) in [
        ("static/src/locales/en.json", "assets/messages/en.ftl"),
        ("static/src/locales/zh-CN.json", "assets/messages/zh-CN.ftl"),
    ] {
        let named = of_server(server);
        let parts = of_console(console).into_iter().filter(|text| text.key.starts_with("log.of."));
        for Text { key, words } in parts {
            let name = format!("audit-module-{}", key["log.of.".len()..].replace('_', "-"));
            let found = named.iter().find(|text| text.key == name);
            assert_eq!(found.map(|text| &text.words), Some(&words), "{name} in {server}");
        }
    }
}

#[test]
fn a_word_is_found_whole_and_where_it_may_not_stand() {
    assert!(has("Send an email.", "email") && !has("Send emails.", "email"));
    assert!(has("使用电子邮箱", "电子邮箱") && !has("邮箱", "电子邮箱"));
    assert!(has("Make a key", "^Make a") && !has("Then Make a key", "^Make a"));
    assert_eq!(without_values("The address { $email } is { $state ->"), "The address  is");
    assert!(of_server("assets/messages/en.ftl").len() > 500);
}
