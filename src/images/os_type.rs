//! Forms of an operating system's name.

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

/// What document 002 calls a system that clients name shortly (`win7`, `Windows7(64bit)`); any other text as it is.
/// Migration 0028 does the same to rows of before.
pub fn documented(os_type: &str) -> String {
    let short = os_type.to_ascii_lowercase().replace([' ', '(', ')'], "").replace("bit", "");
    let form = match short.as_str() {
        "winxp" | "windowsxp" => "Windows XP",
        "win732" | "windows732" => "Windows 7 bit 32",
        "win7" | "windows7" | "win764" | "windows764" => "Windows 7 bit 64",
        "win10" | "windows10" | "win1064" | "windows1064" => "Windows 10 bit 64",
        "linux" => "Linux",
        _ => os_type,
    };
    form.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{documented, simple};

    #[test]
    fn short_forms_become_those_of_the_document() {
        let forms = [
            ("winxp", "Windows XP"),
            ("win7", "Windows 7 bit 64"),
            ("windows7", "Windows 7 bit 64"),
            ("Windows7  bit 64", "Windows 7 bit 64"),
            ("Windows7(64bit)", "Windows 7 bit 64"),
            ("Windows 7 bit 32", "Windows 7 bit 32"),
            ("Windows7(32bit)", "Windows 7 bit 32"),
            ("win10", "Windows 10 bit 64"),
            ("linux", "Linux"),
            ("Windows 11", "Windows 11"),
            ("Ubuntu 24.04", "Ubuntu 24.04"),
            ("xxx", "xxx"),
        ];
        for (given, form) in forms {
            assert_eq!(documented(given), form, "{given}");
            assert_eq!(documented(form), form);
        }
    }

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
