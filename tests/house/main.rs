//! The rules of the house, read from the sources: who may import whom, where SQL, libvirt, ssh,
//! processes and Rocket may stand, and how long a file may grow. And one rule of its machine: who may open KVM.

mod glossary;
mod modules;
mod source;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use modules::{Modules, circles, is_type};
use source::sources;

const DOMAINS: [&str; 9] = [
    "identity",
    "inventory",
    "images",
    "networks",
    "desktops",
    "monitor",
    "automation",
    "analysis",
    "operations",
];
/// A file beyond this holds two things.
const FILE_LIMIT: usize = 500;

/// Rooms named by `crate::<room>` paths.
fn imports(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let word: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            rooms.push(word);
        }
    }
    rooms
}

/// What a room may import; `None` for the rooms that put everything together.
fn may_import(room: &str) -> Option<Vec<&'static str>> {
    let below_domains = ["node", "store", "error"];
    match room {
        "main" | "server" => None,
        "error" => Some(vec![]),
        "settings" => Some(vec!["error"]),
        "store" => Some(vec!["error", "store"]),
        "node" => Some(vec!["error", "node"]),
        "api" => Some([&DOMAINS[..], &["api", "settings", "store", "node", "error"]].concat()),
        _ => Some([&DOMAINS[..], &below_domains, &["settings"]].concat()),
    }
}

fn complain(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn imports_point_downward() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(allowed) = may_import(&source.room) else { continue };
        for room in imports(source.code()) {
            if !allowed.contains(&room.as_str()) {
                wrong.push(format!("{} imports {room}", source.path));
            }
        }
    }
    complain("api → domains → node and store → error", wrong);
}

#[test]
fn domains_do_not_import_each_other_in_a_circle() {
    let mut edges: Vec<(String, String)> = Vec::new();
    for source in sources() {
        if !DOMAINS.contains(&source.room.as_str()) || source.is_test() {
            continue;
        }
        for room in imports(source.code()) {
            if room != source.room && DOMAINS.contains(&room.as_str()) {
                edges.push((source.room.clone(), room));
            }
        }
    }
    let mut circles = Vec::new();
    for start in DOMAINS {
        let mut reached: Vec<&str> = vec![start];
        let mut next = 0;
        while next < reached.len() {
            for (from, to) in &edges {
                if from == reached[next] && to == start {
                    circles.push(format!("{start} … {from} → {to}"));
                }
                if from == reached[next] && !reached.contains(&to.as_str()) {
                    reached.push(to);
                }
            }
            next += 1;
        }
    }
    complain("no circle among the domains", circles);
}

/// Nor files inside a room: what two need stands below both.
#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let imports = Modules::of(&sources()).imports();
    complain("no circle among files", circles(&imports));
}

/// What a node runs is reached by its protocol, and started by the command line.
#[test]
fn the_agent_is_not_imported() {
    let mut wrong = Vec::new();
    for (from, targets) in Modules::of(&sources()).imports() {
        if from.starts_with("node/") || from == "main.rs" {
            continue;
        }
        for (to, names) in targets.iter().filter(|(to, _)| to.starts_with("node/agent/")) {
            wrong.push(format!("{from} takes {names:?} from {to}"));
        }
    }
    complain("the agent's inside outside node/", wrong);
}

/// A store reads and writes rows for its domain; it decides nothing and asks nobody above.
#[test]
fn stores_call_nobody_above() {
    let mut wrong = Vec::new();
    for (from, targets) in Modules::of(&sources()).imports() {
        if !from.contains("/store/") && !from.ends_with("/store.rs") {
            continue;
        }
        for (to, names) in targets {
            let below = ["store/", "node/", "error.rs"].iter().any(|room| to.starts_with(room));
            // A type is what rows are read into.
            let called: Vec<_> = names.iter().filter(|name| !is_type(name)).collect();
            if !below && !to.contains("/store/") && !to.ends_with("/store.rs") && !called.is_empty()
            {
                wrong.push(format!("{from} calls {called:?} of {to}"));
            }
        }
    }
    complain("a store that calls its domain", wrong);
}

#[test]
fn sql_stands_in_stores() {
    const WORDS: [&str; 5] = ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"PRAGMA "];
    let outside = sources().into_iter().filter(|source| !source.is_store() && !source.is_test());
    let wrong = outside.filter(|source| WORDS.iter().any(|word| source.code().contains(word)));
    complain("SQL outside a store", wrong.map(|source| source.path).collect());
}

#[test]
fn machines_are_touched_in_node_alone() {
    const NAMES: [&str; 6] =
        ["virt::", "ssh2::", "sysinfo::", "std::process::Command", "tokio::process", "\"/proc/"];
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.room != "node") {
        for name in NAMES.iter().filter(|name| source.code().contains(**name)) {
            wrong.push(format!("{} names {name}", source.path));
        }
    }
    complain("libvirt, ssh, sysinfo and processes stand in node/", wrong);
}

#[test]
fn rocket_stands_at_the_top() {
    let below =
        sources().into_iter().filter(|s| !matches!(s.room.as_str(), "api" | "server" | "main"));
    let wrong = below.filter(|source| source.code().contains("rocket::"));
    complain("Rocket below the api", wrong.map(|source| source.path).collect());
}

/// What all documents share knows none of them: a further one is a folder and its lines in `api/mod.rs`.
#[test]
fn no_document_is_known_outside_its_folder() {
    const DOCUMENTS: [&str; 4] = ["account", "analysis", "desktop_cloud", "ops"];
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.room == "api") {
        let own = source.path.split('/').nth(1).unwrap_or_default();
        for document in DOCUMENTS.iter().filter(|document| **document != own && own != "mod.rs") {
            let named = [format!("super::{document}::"), format!("api::{document}::")];
            if named.iter().any(|name| source.code().contains(name)) {
                wrong.push(format!("{} imports {document}", source.path));
            }
        }
    }
    complain("the api's documents", wrong);
}

/// Rows that have a type for their number (`store/ids.rs`): the type and what its values are called.
const IDS: [(&str, &[&str]); 15] = [
    ("DesktopGroupId", &["desktop_group", "desktop_group_id"]),
    ("DiskId", &["disk", "disk_id", "disks"]),
    ("EducationGroupId", &["education_group", "education", "education_id"]),
    ("LineId", &["line", "line_id"]),
    ("NetworkId", &["network", "network_id", "networks"]),
    ("NodeId", &["node", "node_id", "nodes"]),
    ("OperationId", &["operation", "operation_id", "operations"]),
    ("PoolId", &["pool", "pool_id", "pools"]),
    ("RoleId", &["role_id", "roles"]),
    ("SessionId", &["session", "session_id", "sessions"]),
    ("SubnetId", &["subnet", "subnet_id", "subnets"]),
    ("SwitchId", &["switch", "switch_id", "switches"]),
    ("TemplateId", &["template", "template_id", "templates"]),
    ("UserGroupId", &["group", "group_id", "groups"]),
    ("UserId", &["user", "user_id", "users"]),
];

/// The name that a line gives to a value of type `i64`, or to many of them.
fn name_of_number(before: &str) -> Option<&str> {
    const AROUND: [&str; 5] = ["&", "&[", "Option<", "Vec<", "HashSet<"];
    let mut before = before;
    while let Some(inner) = AROUND.iter().find_map(|around| before.strip_suffix(around)) {
        before = inner;
    }
    let name = before.strip_suffix(": ")?;
    name.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
}

/// A number is made an id where it comes in, so that no function can be given the id of another thing.
#[test]
fn ids_have_types() {
    let mut wrong = Vec::new();
    for source in sources() {
        let code = source.code();
        for (at, _) in code.match_indices("i64") {
            let Some(name) = name_of_number(&code[..at]) else { continue };
            // A parameter; what a row is read into may be a number that only lists show.
            let is_taken =
                [", id: ", "(id: ", "  id: "].iter().any(|end| code[..at].ends_with(end));
            if name == "id" && is_taken && source.room != "api" {
                wrong.push(format!("{}: an id that says not of what", source.path));
            }
            for (id, _) in IDS.iter().filter(|(_, names)| names.contains(&name)) {
                wrong.push(format!("{}: {name} is no {id}", source.path));
            }
        }
        let is_door = source.is_store() || source.is_test() || source.room == "api";
        for (id, _) in IDS.iter().filter(|_| !is_door) {
            if code.contains(&format!("{id}::new(")) {
                wrong.push(format!("{} makes a {id} of a number", source.path));
            }
        }
    }
    complain("ids that are bare numbers, or made in the middle", wrong);
}

/// A column that is put between others moves none of those that are read by their names.
#[test]
fn wide_rows_are_read_by_name() {
    const WIDE: usize = 3;
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.is_store() && !source.is_test()) {
        let code = source.code();
        for opening in ["get(", ">(", "(row, "] {
            for (at, _) in code.match_indices(opening) {
                let after = &code[at + opening.len()..];
                let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                if digits.parse::<usize>().is_ok_and(|column| column >= WIDE) {
                    wrong.push(format!("{}: column {digits}", source.path));
                }
            }
        }
    }
    complain("columns read by their place", wrong);
}

#[test]
fn files_hold_one_thing() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > FILE_LIMIT);
    let long = long.map(|source| format!("{}: {} lines", source.path, source.text.lines().count()));
    complain("files beyond 500 lines", long.collect());
}

#[test]
fn nothing_is_left_to_do() {
    const WORDS: [&str; 4] = ["todo!(", "unimplemented!(", "dbg!(", "allow(dead_code)"];
    let mut wrong = Vec::new();
    for source in sources() {
        for word in WORDS.iter().filter(|word| source.text.contains(**word)) {
            wrong.push(format!("{}: {word}", source.path));
        }
    }
    complain("left to do", wrong);
}

/// As root, since a group is given away; the device is a file, for whose rights the same holds.
#[test]
fn a_closed_kvm_device_is_opened_to_its_group() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/kvm.sh");
    let device = tempfile::NamedTempFile::new().expect("a file");
    let device = device.path();
    let run = || {
        let output = Command::new(&script).arg(device).output().expect("run kvm.sh");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let mode = || std::fs::metadata(device).expect("metadata").permissions().mode() & 0o777;
    let set = |mode| std::fs::set_permissions(device, Permissions::from_mode(mode)).expect("chmod");

    set(0o666);
    assert_eq!((run().as_str(), mode()), ("", 0o666), "everybody may open it");
    set(0o600);
    let said = run();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("chmod 660"), "{said}");
    let group = Command::new("stat").args(["-c", "%G"]).arg(device).output().expect("stat");
    assert_eq!((group.stdout.as_slice(), mode()), (b"kvm\n".as_slice(), 0o660));
    assert_eq!(run(), "", "nothing is left to do");
}
