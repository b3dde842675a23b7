//! The short form of an operating system's name.

/// Names of Linux distributions that do not say so themselves.
const LINUX: [&str; 17] = [
    "linux", "ubuntu", "debian", "centos", "fedora", "redhat", "red hat", "rhel", "suse", "rocky",
    "alma", "euler", "kylin", "uos", "deepin", "mint", "arch",
];

/// `winxp`, `win7`, `win10`, `win11`, `linux`, … out of any of the forms in which people and clients
/// write it: `windows7`, `Windows 7 bit 64`, `Windows7(64bit)`. What says neither is `other`.
pub fn simple(os_type: &str) -> String {
    let text = os_type.to_lowercase();
    let Some(start) = text.find("win").filter(|_| !text.contains("darwin")) else {
        let linux = LINUX.iter().any(|name| text.contains(name));
        return if linux { "linux" } else { "other" }.to_owned();
    };
    let rest = text[start + 3..].trim_start_matches("dows").trim_start();
    if rest.starts_with("xp") {
        return "winxp".to_owned();
    }
    let rest = rest.trim_start_matches("server").trim_start();
    let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("win{version}")
}

#[cfg(test)]
mod tests {
    use super::simple;

    #[test]
    fn every_form_of_the_document_is_understood() {
        let forms = [
            ("win7", "win7"),
            ("windows7", "win7"),
            ("Windows 7 bit 64", "win7"),
            ("Windows7  bit 64", "win7"),
            ("Windows7(64bit)", "win7"),
            ("Windows XP", "winxp"),
            ("Windows 10 bit 64", "win10"),
            ("win11", "win11"),
            ("Windows Server 2019", "win2019"),
            ("Linux", "linux"),
            ("Ubuntu 24.04", "linux"),
            ("xxx", "other"),
            ("", "other"),
        ];
        for (form, expected) in forms {
            assert_eq!(simple(form), expected, "{form}");
        }
    }
}
