//! A list of people as a spreadsheet saves it: CSV in UTF-8, with a line of headings.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::error::{Error, Result};

/// Most people in one file.
pub const LINES: usize = 2_000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What spreadsheets put between cells, after their country's habit.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// What stands between several roles or groups in one cell.
const BETWEEN: [char; 4] = ['|', ',', ';', '、'];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    Name,
    FullName,
    Email,
    Phone,
    Department,
    Roles,
    Groups,
    Password,
}

impl Column {
    pub const ALL: [Self; 8] = [
        Self::Name,
        Self::FullName,
        Self::Email,
        Self::Phone,
        Self::Department,
        Self::Roles,
        Self::Groups,
        Self::Password,
    ];

    /// The heading that programs write.
    pub const fn word(self) -> &'static str {
        self.headings()[0]
    }

    /// Headings by which it is known, also in other cases and with spaces or hyphens for `_`.
    const fn headings(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["name", "username", "user_name", "login", "用户名", "账号"],
            Self::FullName => &["full_name", "fullname", "姓名"],
            Self::Email => &["email", "e_mail", "mail", "邮箱", "电子邮箱"],
            Self::Phone => &["phone", "telephone", "电话", "手机", "手机号"],
            Self::Department => &["department", "class", "部门", "班级"],
            Self::Roles => &["roles", "role", "角色"],
            Self::Groups => &["groups", "group", "user_groups", "用户组"],
            Self::Password => &["password", "密码"],
        }
    }

    fn of(heading: &str) -> Option<Self> {
        let plain = heading.trim().to_lowercase().replace([' ', '-'], "_");
        Self::ALL.into_iter().find(|column| column.headings().contains(&plain.as_str()))
    }
}

/// One person, as they stand there.
#[derive(Debug)]
pub struct Row {
    /// As editors count lines, from 1.
    pub line: u64,
    cells: HashMap<Column, String>,
    /// It has more cells than there are headings.
    pub is_too_long: bool,
}

impl Row {
    /// Empty where there is no such column.
    pub fn cell(&self, column: Column) -> &str {
        self.cells.get(&column).map_or("", String::as_str)
    }

    /// What a cell with several things names.
    pub fn several(&self, column: Column) -> Vec<String> {
        let parts = self.cell(column).split(BETWEEN).map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// Reads a file. Lines without any text are passed over.
///
/// # Errors
/// `csv-not-utf8`, `csv-malformed`, `csv-empty`, `csv-heading-unknown`, `csv-heading-twice`, `csv-without-name`,
/// `csv-too-many-lines`
pub fn read(bytes: &[u8]) -> Result<Vec<Row>> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|fault| not_utf8(bytes, fault.valid_up_to()))?;
    let mut reader = ReaderBuilder::new()
        .delimiter(separator(text))
        .flexible(true)
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut columns = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|fault| malformed(&fault))?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        match &columns {
            None => columns = Some(headings(&record)?),
            Some(_) if rows.len() == LINES => {
                return Err(wrong("csv-too-many-lines").arg("limit", LINES));
            }
            Some(columns) => rows.push(row(columns, &record, text)),
        }
    }
    if rows.is_empty() {
        return Err(wrong("csv-empty"));
    }
    Ok(rows)
}

fn wrong(key: &'static str) -> Error {
    Error::bad_input(key).arg("field", "content")
}

fn not_utf8(bytes: &[u8], place: usize) -> Error {
    let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
    wrong("csv-not-utf8").arg("line", line)
}

fn malformed(fault: &csv::Error) -> Error {
    let line = fault.position().map_or(0, csv::Position::line);
    wrong("csv-malformed").arg("line", line).because(fault.to_string())
}

/// The one that the headings are most often parted by.
fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    // Of equal ones the first.
    SEPARATORS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// What each column holds; `None` where a heading is empty.
fn headings(record: &StringRecord) -> Result<Vec<Option<Column>>> {
    let mut found = Vec::new();
    for heading in record {
        let column = match heading {
            "" => None,
            heading => Some(Column::of(heading).ok_or_else(|| unknown(heading))?),
        };
        if column.is_some() && found.contains(&column) {
            return Err(wrong("csv-heading-twice").arg("heading", heading));
        }
        found.push(column);
    }
    match found.contains(&Some(Column::Name)) {
        true => Ok(found),
        false => Err(wrong("csv-without-name").arg("known", known())),
    }
}

fn unknown(heading: &str) -> Error {
    wrong("csv-heading-unknown").arg("heading", heading).arg("known", known())
}

fn known() -> String {
    Column::ALL.map(Column::word).join(", ")
}

fn row(columns: &[Option<Column>], record: &StringRecord, text: &str) -> Row {
    let cells = columns.iter().zip(record);
    let cells = cells.filter_map(|(column, cell)| Some(((*column)?, cell.to_owned()))).collect();
    let is_too_long = record.iter().skip(columns.len()).any(|cell| !cell.is_empty());
    Row { line: record.position().map_or(0, |place| line_of(place, text)), cells, is_too_long }
}

/// The reader's place is before the empty lines that it passes over.
fn line_of(place: &csv::Position, text: &str) -> u64 {
    let start = usize::try_from(place.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    place.line() + empty.filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &[u8]) -> Vec<(u64, String)> {
        let rows = read(text).expect("readable");
        rows.iter().map(|row| (row.line, row.cell(Column::Name).to_owned())).collect()
    }

    fn refusal(text: &[u8]) -> String {
        read(text).expect_err("refused").to_string()
    }

    #[test]
    fn spreadsheets_of_every_habit_are_read() {
        let expected = vec![(2, "ann".to_owned()), (4, "bob".to_owned())];
        for text in [
            "name,full name\nann,Ann Lee\n\nbob,\n",
            "\u{feff}name;Full-Name\r\nann;Ann Lee\r\n;\r\nbob;\r\n",
            "用户名\t姓名\nann\tAnn\n\t\nbob\tBob\n",
            "name,\"full name\"\nann,\"Lee, Ann\"\n,\nbob,x",
        ] {
            assert_eq!(names(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_cell_may_hold_several_things() {
        let rows = read("name;roles;groups\nann;teacher, auditor;A|B、C\n".as_bytes());
        let rows = rows.expect("readable");
        assert_eq!(rows[0].several(Column::Roles), ["teacher", "auditor"]);
        assert_eq!(rows[0].several(Column::Groups), ["A", "B", "C"]);
        assert!(rows[0].several(Column::Phone).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        // 姓名 in GBK.
        assert!(refusal(b"name,x\nann,\xd0\xd5\xc3\xfb\n").contains("csv-not-utf8"), "GBK");
        assert!(refusal(b"name\nann\n\xd0\xd5\n").contains("line=3"), "GBK");
        assert!(refusal(b"\xff\xfen\0a\0").contains("csv-not-utf8"), "UTF-16");
        assert!(refusal(b"name,nickname\nann,x\n").contains("heading=nickname"));
        assert!(refusal(b"name,Name\nann,x\n").contains("csv-heading-twice"));
        assert!(refusal(b"email\nann@example.org\n").contains("csv-without-name"));
        assert!(refusal(b"name\n\n").contains("csv-empty"));
        assert!(refusal(b"").contains("csv-empty"));
        let many = format!("name\n{}", "x\n".repeat(LINES + 1));
        assert!(refusal(many.as_bytes()).contains("csv-too-many-lines"));
        let rows = read(b"name\nann,more\nbob,\n").expect("readable");
        assert_eq!(rows.iter().map(|row| row.is_too_long).collect::<Vec<_>>(), [true, false]);
    }
}
