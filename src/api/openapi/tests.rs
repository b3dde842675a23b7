use super::*;

/// The document as it is checked in, so that a change of shape is read with the change that makes it.
/// `OPENAPI=write` writes it anew; the console's types come from it (`npm run api`).
#[test]
fn the_checked_in_document_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let text = serde_json::to_string_pretty(&document()).expect("text") + "\n";
    if std::env::var("OPENAPI").as_deref() == Ok("write") {
        std::fs::write(path, &text).expect("write the document");
    }
    let known = std::fs::read_to_string(path).expect("the checked-in document");
    let line = text.lines().zip(known.lines()).find(|(now, then)| now != then);
    assert!(text == known, "docs/openapi.json is old: {line:?}; OPENAPI=write writes it anew");
}

#[test]
fn every_list_is_asked_in_the_same_way() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let paths = paths.iter().filter(|(path, _)| path.starts_with("/api/v1.0/"));
    let rows = paths.filter_map(|(_, path)| path.get("get"));
    let mut lists = 0;
    for row in rows {
        let parameters = row["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> = parameters.filter_map(|one| one["name"].as_str()).collect();
        if names.contains(&"page") {
            lists += 1;
            for name in ["page_size", "searchtype", "sort"] {
                assert!(names.contains(&name), "{} takes no {name}", row["operationId"]);
            }
            let answers = row["responses"]["200"].to_string();
            let single = r#"searchtype=single: the first that matches, null when none does","anyOf":[{"$ref""#;
            let is_told = answers.contains(single);
            assert!(is_told, "{} gives no single row: {answers}", row["operationId"]);
        }
    }
    assert!(lists > 15, "{lists}");
}

#[test]
fn components_are_named_after_their_rows() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("components");
    let rows: Vec<String> =
        table().iter().map(|row| row.id.split(['.', '-']).map(capitalized).collect()).collect();
    for name in schemas.keys().filter(|name| !shared(name)) {
        assert!(rows.iter().any(|row| name.starts_with(row.as_str())), "{name}");
        assert!(!name.ends_with(|last: char| last.is_ascii_digit()), "{name}");
    }
    let all = document.to_string();
    for reference in all.split(COMPONENTS).skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(schemas.contains_key(name), "{name} is referred to and missing");
    }
}

#[test]
fn every_row_is_in_the_document() {
    let document = document().to_string();
    for endpoint in table() {
        assert!(document.contains(&format!("\"{}\"", endpoint.id)), "{} is missing", endpoint.id);
    }
}

#[test]
fn every_operation_is_described_in_chinese_too() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    for row in
        paths.values().flat_map(|path| path.as_object().into_iter().flat_map(|it| it.values()))
    {
        let chinese = row["x-chinese"].as_str().unwrap_or_default();
        let is_chinese = chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert!(
            is_chinese,
            "assets/openapi-summaries.zh-CN.tsv has no line of {}",
            row["operationId"]
        );
    }
}
