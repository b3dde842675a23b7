//! The modules of `src` and what each file takes from which other, read from the sources as text.
//!
//! A name is followed to the file that defines it, through `pub use`. What a file takes from the `mod.rs` of a room
//! that it stands in is no import: that is the room's own vocabulary.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::source::Source;

type Path = Vec<String>;

/// File to the files that it takes something from, with the names.
pub type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

struct Module {
    file: String,
    /// Names that it has from elsewhere, and from where.
    uses: HashMap<String, Path>,
    /// Modules all of whose names it has.
    globs: Vec<Path>,
    code: String,
}

pub struct Modules(HashMap<Path, Module>);

impl Modules {
    pub fn of(sources: &[Source]) -> Self {
        let mut modules = HashMap::new();
        for source in sources.iter().filter(|source| !source.is_test()) {
            let path = module_path(&source.path);
            let code = without_comments(source.code());
            let mut module =
                Module { file: source.path.clone(), uses: HashMap::new(), globs: vec![], code };
            for (name, target) in use_statements(&module.code) {
                let target = absolute(&path, &target);
                match name.as_str() {
                    "*" => module.globs.push(target),
                    _ => drop(module.uses.insert(name, target)),
                }
            }
            modules.insert(path, module);
        }
        Self(modules)
    }

    /// What each file takes from others.
    pub fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (path, module) in &self.0 {
            for target in self.paths_in(path, module) {
                let Some((found, name)) = self.file_of(&target, 0) else { continue };
                if found.file == module.file || is_room_of(&found.file, &module.file) {
                    continue;
                }
                let of_file = imports.entry(module.file.clone()).or_default();
                of_file.entry(found.file.clone()).or_default().insert(name);
            }
        }
        imports
    }

    /// Every path that the file names, from the root.
    fn paths_in(&self, path: &Path, module: &Module) -> Vec<Path> {
        // `pub use` of a room offers names; it takes none.
        let code = without_offers(&module.code);
        let mut found: Vec<Path> =
            use_statements(&code).into_iter().map(|(_, target)| absolute(path, &target)).collect();
        for words in inline_paths(&code) {
            let first = words[0].as_str();
            if matches!(first, "crate" | "super" | "self") {
                found.push(absolute(path, &words));
            } else if let Some(base) = module.uses.get(first) {
                found.push([base, &words[1..]].concat());
            } else {
                let child: Path = [path, &words[..1]].concat();
                if self.0.contains_key(&child) {
                    found.push([path, &words[..]].concat());
                }
            }
        }
        found
    }

    /// The module whose file defines what the path ends in, and the name.
    fn file_of(&self, path: &[String], depth: usize) -> Option<(&Module, String)> {
        let known = (0..=path.len()).rev().find(|end| self.0.contains_key(&path[..*end]))?;
        let module = &self.0[&path[..known]];
        let Some(name) = path.get(known) else { return Some((module, "self".into())) };
        if depth > 8 {
            return Some((module, name.clone()));
        }
        if let Some(target) = module.uses.get(name) {
            let target = [target, &path[known + 1..]].concat();
            return self.file_of(&target, depth + 1).or_else(|| Some((module, name.clone())));
        }
        if !defines(&module.code, name) {
            for glob in &module.globs {
                if self.0.get(glob).is_some_and(|target| defines(&target.code, name)) {
                    return Some((&self.0[glob], name.clone()));
                }
            }
        }
        Some((module, name.clone()))
    }
}

/// Groups of files that take from each other, each in a line with the names.
pub fn circles(imports: &Imports) -> Vec<String> {
    let reach = |start: &str| {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = vec![start];
        while let Some(file) = next.pop() {
            for target in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(target) {
                    next.push(target);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reach(file))).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for (file, targets) in &reached {
        if !targets.contains(file) || seen.contains(file) {
            continue;
        }
        let back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
        let circle: BTreeSet<&str> = targets.iter().filter(back).copied().collect();
        seen.extend(&circle);
        let mut text = format!("{} files", circle.len());
        for from in &circle {
            for (to, names) in imports[*from].iter().filter(|(to, _)| circle.contains(to.as_str()))
            {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                text.push_str(&format!("\n    {from} -> {to}: {}", names.join(", ")));
            }
        }
        found.push(text);
    }
    found
}

fn module_path(file: &str) -> Path {
    let mut path: Path = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "main")) {
        path.pop();
    }
    path
}

/// Whether `file` is the `mod.rs` (or `room.rs` beside its folder) of a room that `other` stands in.
fn is_room_of(file: &str, other: &str) -> bool {
    let room = file.strip_suffix("/mod.rs").or_else(|| file.strip_suffix(".rs")).unwrap_or(file);
    other.starts_with(&format!("{room}/"))
}

pub fn is_type(name: &str) -> bool {
    name == "self" || name.starts_with(|c: char| c.is_uppercase())
}

fn absolute(module: &Path, words: &[String]) -> Path {
    let mut base = match words[0].as_str() {
        "crate" => Path::new(),
        "super" | "self" => module.clone(),
        // a crate of others, or a child module
        _ => return [module.clone(), words.to_vec()].concat(),
    };
    let mut rest = words;
    while let Some(first) = rest.first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = &rest[1..];
    }
    base.extend_from_slice(rest);
    base
}

fn defines(code: &str, name: &str) -> bool {
    ["struct", "enum", "fn", "const", "static", "trait", "type", "mod", "union", "macro_rules!"]
        .iter()
        .any(|word| {
            let wanted = format!("{word} {name}");
            code.match_indices(&wanted).any(|(at, _)| {
                !code[at + wanted.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
}

fn without_comments(code: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split(" // ").next().unwrap_or_default().to_owned(),
    };
    code.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn without_offers(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = offer(rest) {
        kept.push_str(&rest[..at]);
        rest = rest[at..].split_once(';').map_or("", |(_, rest)| rest);
    }
    kept + rest
}

fn offer(code: &str) -> Option<usize> {
    ["\npub use ", "\npub(super) use ", "\npub(crate) use "]
        .iter()
        .filter_map(|word| code.find(word))
        .min()
}

/// Name and path of everything that the `use` statements at the top of a file name.
fn use_statements(code: &str) -> Vec<(String, Path)> {
    let mut found = Vec::new();
    for start in ["\nuse ", "\npub use ", "\npub(super) use ", "\npub(crate) use "] {
        for (at, word) in code.match_indices(start) {
            let Some((tree, _)) = code[at + word.len()..].split_once(';') else { continue };
            let flat: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
            expand(&Path::new(), &flat, &mut found);
        }
    }
    found
}

/// `a::{b, c::d as e}` into `b` from `a::b` and `e` from `a::c::d`.
fn expand(prefix: &Path, tree: &str, found: &mut Vec<(String, Path)>) {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let head = head.trim_end_matches("::").split("::").filter(|word| !word.is_empty());
        let prefix = [prefix.clone(), head.map(|word| word.trim().to_owned()).collect()].concat();
        let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
        for part in parts(inner) {
            expand(&prefix, part, found);
        }
        return;
    }
    if tree.is_empty() {
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(p, a)| (p, Some(a)));
    let mut words = prefix.clone();
    words.extend(path.split("::").map(|word| word.trim().to_owned()));
    let last = words.last().cloned().unwrap_or_default();
    match last.as_str() {
        "self" if words.len() > 1 => {
            words.pop();
            let name = alias.map_or_else(|| words[words.len() - 1].clone(), str::to_owned);
            found.push((name, words));
        }
        "*" => {
            words.pop();
            found.push(("*".into(), words));
        }
        _ => found.push((alias.unwrap_or(&last).trim().to_owned(), words)),
    }
}

/// The parts of a group, split at commas outside inner groups.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[from..]);
    found
}

/// Every `a::b::c` outside `use` statements.
fn inline_paths(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let start = rest[..at].rfind(|c: char| !is_word(c)).map_or(0, |i| i + 1);
        let mut words = vec![rest[start..at].to_owned()];
        let mut tail = &rest[at..];
        while let Some(after) = tail.strip_prefix("::") {
            let end = after.find(|c: char| !is_word(c)).unwrap_or(after.len());
            if end == 0 {
                break;
            }
            words.push(after[..end].to_owned());
            tail = &after[end..];
        }
        if !words[0].is_empty() && words.len() > 1 {
            found.push(words);
        }
        rest = if tail.len() == rest.len() - at { &rest[at + 2..] } else { tail };
    }
    found
}
