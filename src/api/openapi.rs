//! `/api/openapi.json`, made from the endpoint table.
//!
//! OpenAPI knows one operation per method and path. Rows that share them and differ by `action` become
//! one operation with a choice of bodies; each row stands in `x-actions` with its own id, permission
//! and shapes, so that nothing is lost to those who read the document by program. `x-operations` names all
//! operations of the documents that a method and path answers.

use std::io::{Cursor, Write};
use std::sync::{Arc, LazyLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use rocket::data::Data;
use rocket::futures::future::BoxFuture;
use rocket::http::{ContentType, Method, Status};
use rocket::{Request, Response};
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::call::Call;
use super::dialect::{ActionInput, DialectSpec};
use super::encoding::{self, Coding};
use super::endpoint::{Access, Endpoint, Mounted, Scope, Streamed, streaming};
use super::work::blocking;
use super::{App, DIALECTS, table, words};
use crate::error::Result;
use crate::identity::Permission;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Get, "carrel.openapi", "/api/openapi.json", read)
            .public()
            .gives::<Map<String, Value>>()
            .sends("application/json")
            .summary("This document"),
    ]
}

/// The document as it is sent: made once, for whoever asks first, and read by all from the same bytes.
struct Shared {
    plain: Vec<u8>,
    gzip: Option<Vec<u8>>,
    /// Of its content.
    hash: String,
}

static DOCUMENT: LazyLock<Shared> = LazyLock::new(|| {
    let text = document().to_string();
    let hash = hex::encode(&Sha256::digest(&text)[..16]);
    Shared { gzip: gzip(text.as_bytes()).ok(), plain: text.into_bytes(), hash }
});

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn read<'r>(
    _: Arc<App>,
    _: Call,
    request: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let shared = blocking(|| Ok(LazyLock::force(&DOCUMENT))).await?;
        let is_wanted = encoding::accepted(request).contains(&Coding::Gzip);
        let small = shared.gzip.as_ref().filter(|_| is_wanted);
        let (bytes, form) = small.map_or((&shared.plain, ""), |small| (small, "-gzip"));
        let tag = format!("\"{}{form}\"", shared.hash);
        let mut response = Response::build();
        response.raw_header("Cache-Control", "no-cache").raw_header("Vary", "Accept-Encoding");
        if small.is_some() {
            response.raw_header("Content-Encoding", Coding::Gzip.word());
        }
        if encoding::is_known(request, &tag) {
            response.status(Status::NotModified);
        } else {
            response.header(ContentType::JSON).sized_body(bytes.len(), Cursor::new(bytes));
        }
        response.raw_header("ETag", tag);
        Ok(Streamed::Response(response.finalize()))
    })
}

const DESCRIPTION: &str = include_str!("../../assets/openapi-about.en.md");
const DESCRIPTION_CHINESE: &str = include_str!("../../assets/openapi-about.zh-CN.md");
/// Operation id and summary, one of each line.
const SUMMARIES_CHINESE: &str = include_str!("../../assets/openapi-summaries.zh-CN.tsv");

fn tag(dialect: &DialectSpec) -> Value {
    let (name, about) = dialect.chinese;
    json!({
        "name": dialect.tag,
        "description": dialect.about,
        "x-chinese": {"name": name, "description": about},
    })
}

fn permissions() -> Value {
    let one = |permission: &Permission| {
        json!({
            "name": permission.word(),
            "code": permission.code(),
            "document_001": permission.document_001(),
        })
    };
    Permission::ALL.iter().map(one).collect()
}

/// The OpenAPI 3.1 document of every dialect.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    for endpoint in table() {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        let method = endpoint.method.as_str().to_lowercase();
        let shapes = Shapes::of(endpoint);
        match path.get_mut(&method) {
            None => path[method] = operation(endpoint, &shapes),
            Some(existing) => add_action(existing, endpoint, &shapes),
        }
        schemas.extend(shapes.schemas);
    }
    let is_served =
        |dialect: &&&DialectSpec| table().iter().any(|row| row.dialect.tag == dialect.tag);
    let served: Vec<&DialectSpec> = DIALECTS.iter().filter(is_served).copied().collect();
    for dialect in &served {
        let (name, schema) = dialect.refusal;
        schemas.insert(name.to_owned(), schema());
    }
    schemas.sort_keys();
    let tags: Vec<_> = served.iter().map(|dialect| tag(dialect)).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Carrel",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION.trim_end(),
            "x-chinese": DESCRIPTION_CHINESE.trim_end()
        },
        "x-permissions": permissions(),
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": super::SESSION_COOKIE},
                "key": {"type": "http", "scheme": "basic"}
            }
        }
    })
}

const COMPONENTS: &str = "#/components/schemas/";

/// What a row takes and gives. Its components are named after the row (`vdi.pools.create` takes a
/// `VdiPoolsCreateInput`), so that no other row changes the names of its types. Only what rows share by
/// intent has a name of its own.
struct Shapes {
    input: Option<Value>,
    output: Option<Value>,
    /// Properties of a query.
    query: Vec<Value>,
    schemas: Map<String, Value>,
}

impl Shapes {
    fn of(endpoint: &Endpoint) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let (mut taken, mut given) =
            (settings.clone().into_generator(), settings.for_serialize().into_generator());
        let input = (endpoint.input)(&mut taken).map(Schema::to_value);
        let output = (endpoint.output)(&mut given).map(Schema::to_value);
        let mut found = taken.take_definitions(true);
        found.extend(given.take_definitions(true));
        let of_input = input.as_ref().and_then(component).map(str::to_owned);
        let of_output = output.as_ref().and_then(component).map(str::to_owned);
        let query = match (endpoint.method, &input) {
            (Method::Get, Some(schema)) => {
                let own = of_input.as_ref().and_then(|name| found.remove(name));
                query_parameters(&own.unwrap_or_else(|| schema.clone()))
            }
            _ => Vec::new(),
        };
        let row: String = endpoint.id.split(['.', '-']).map(capitalized).collect();
        let named = |name: &str| match name {
            _ if of_input.as_deref() == Some(name) => format!("{row}Input"),
            _ if shared(name) => name.to_owned(),
            _ if of_output.as_deref() == Some(name) => format!("{row}Data"),
            _ => format!("{row}{name}"),
        };
        let renamed = |mut value: Value| {
            rename(&mut value, &named);
            value
        };
        Self {
            input: input.map(renamed),
            output: output.map(renamed),
            query: query.into_iter().map(renamed).collect(),
            schemas: found.into_iter().map(|(name, it)| (named(&name), renamed(it))).collect(),
        }
    }
}

/// Whether a component is the same thing in every row that has it.
fn shared(name: &str) -> bool {
    words::NAMES.contains(&name)
        || SHARED.contains(&name)
        || DIALECTS.iter().any(|dialect| dialect.refusal.0 == name)
}

/// Components that several rows have, beside words.
const SHARED: [&str; 7] = [
    "BatchOutcome",
    "CancelledItem",
    "FailedItem",
    "New",
    "Operation",
    "OperationPart",
    "OperationStuck",
];

fn component(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(COMPONENTS)
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Leads every reference to the component's new name.
fn rename(value: &mut Value, named: &impl Fn(&str) -> String) {
    if let Some(name) = component(value).map(named) {
        value["$ref"] = format!("{COMPONENTS}{name}").into();
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| rename(value, named)),
        Value::Array(list) => list.iter_mut().for_each(|value| rename(value, named)),
        _ => {}
    }
}

/// The summary of an operation in Chinese; the document shows one of those that share method and path.
fn chinese(id: &str) -> Option<&'static str> {
    SUMMARIES_CHINESE.lines().find_map(|line| line.strip_prefix(id)?.strip_prefix('\t'))
}

fn operation(endpoint: &Mounted, shapes: &Shapes) -> Value {
    let mut operation = json!({
        "operationId": endpoint.id,
        "tags": [endpoint.dialect.tag],
        "summary": endpoint.summary,
        "x-chinese": chinese(endpoint.id),
        "parameters": path_parameters(endpoint),
        "responses": responses(endpoint, shapes),
        "security": security(endpoint.access),
        "x-permission": permission(endpoint.access),
        "x-scope": scope(endpoint.access),
        "x-audit": endpoint.audit.map(|(key, _)| key),
        "x-operations": names(endpoint),
    });
    if endpoint.method == Method::Get {
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.extend(shapes.query.iter().cloned());
        }
    } else {
        let schema = body(endpoint, shapes.input.clone());
        operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
    }
    if endpoint.action.is_some() {
        operation["x-actions"] = json!([action(endpoint, shapes)]);
    }
    operation
}

/// Adds a row that shares method and path with others.
fn add_action(operation: &mut Value, endpoint: &Mounted, shapes: &Shapes) {
    let schema = &mut operation["requestBody"]["content"]["application/json"]["schema"];
    let first = schema.take();
    let mut choices = match first {
        Value::Object(ref map) if map.contains_key("oneOf") => {
            map["oneOf"].as_array().cloned().unwrap_or_default()
        }
        other => vec![other],
    };
    choices.push(body(endpoint, shapes.input.clone()));
    *schema = json!({"oneOf": choices});
    add_answer(operation, endpoint, shapes);
    if let Some(known) = operation["x-operations"].as_array_mut() {
        known.extend(names(endpoint));
    }
    let row = action(endpoint, shapes);
    match operation["x-actions"].as_array_mut() {
        Some(actions) => actions.push(row),
        None => operation["x-actions"] = json!([row]),
    }
}

/// What the row answers, if no other of the path does already.
fn add_answer(operation: &mut Value, endpoint: &Mounted, shapes: &Shapes) {
    let more = success(endpoint, shapes);
    let known = &mut operation["responses"]["200"]["content"]["application/json"]["schema"];
    let choices = known.get("anyOf").and_then(Value::as_array).cloned();
    let mut choices = choices.unwrap_or_else(|| vec![known.clone()]);
    if !choices.contains(&more) {
        choices.push(more);
        *known = json!({"anyOf": choices});
    }
}

fn names(endpoint: &Endpoint) -> Vec<Value> {
    let names = std::iter::once(&endpoint.id).chain(endpoint.also);
    names.map(|name| Value::from(*name)).collect()
}

fn refusal(dialect: &DialectSpec) -> Value {
    json!({"$ref": format!("{COMPONENTS}{}", dialect.refusal.0)})
}

fn action(endpoint: &Mounted, shapes: &Shapes) -> Value {
    json!({
        "id": endpoint.id,
        "action": endpoint.action,
        "summary": endpoint.summary,
        "permission": permission(endpoint.access),
        "scope": scope(endpoint.access),
        "audit": endpoint.audit.map(|(key, _)| key),
        "data": shapes.output,
    })
}

fn body(endpoint: &Mounted, input: Option<Value>) -> Value {
    let input = input.unwrap_or_else(|| json!({"type": "object"}));
    match (endpoint.action, endpoint.dialect.action_input) {
        (Some(action), ActionInput::Param) => json!({
            "type": "object",
            "title": endpoint.id,
            "required": ["action", "param"],
            "properties": {"action": word(endpoint, action), "param": input}
        }),
        (Some(action), ActionInput::Beside) => json!({
            "title": endpoint.id,
            "allOf": [input, {
                "type": "object",
                "required": ["action"],
                "properties": {"action": word(endpoint, action)}
            }]
        }),
        _ => input,
    }
}

fn word(endpoint: &Endpoint, action: &str) -> Value {
    match endpoint.action_too {
        Some(other) => json!({"const": action, "description": format!("`{other}` is taken, too.")}),
        None => json!({"const": action}),
    }
}

fn path_parameters(endpoint: &Mounted) -> Value {
    let names =
        endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

fn query_parameters(schema: &Value) -> Vec<Value> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, schema): (String, Value)| {
        let needed = required.contains(&name.as_str());
        json!({"name": name, "in": "query", "required": needed, "schema": schema})
    };
    properties.into_iter().map(parameter).collect()
}

fn responses(endpoint: &Mounted, shapes: &Shapes) -> Value {
    let media = endpoint.media.unwrap_or("application/json");
    let mut responses = Map::new();
    for status in endpoint.statuses {
        let success = match status {
            204 => json!({"description": "Success, without a body"}),
            _ => {
                let schema = success(endpoint, shapes);
                json!({"description": "Success", "content": {media: {"schema": schema}}})
            }
        };
        responses.insert(status.to_string(), success);
    }
    let refusal = refusal(endpoint.dialect);
    if endpoint.dialect.refuses_in_body() {
        let known = &mut responses["200"];
        known["description"] = "Success, or refused: the body tells".into();
        let schema = &mut known["content"]["application/json"]["schema"];
        *schema = json!({"anyOf": [schema.take(), refusal]});
    }
    let refused = json!({
        "description": "Refused; the message says why",
        "content": {"application/json": {"schema": refusal}}
    });
    responses.insert("default".into(), refused);
    responses.into()
}

fn success(endpoint: &Mounted, shapes: &Shapes) -> Value {
    match endpoint.media {
        None => {
            let data = shapes.output.clone().unwrap_or_else(|| json!({"type": "object"}));
            (endpoint.dialect.schema)(data)
        }
        Some(_) => {
            shapes.output.clone().unwrap_or_else(|| json!({"type": "string", "format": "binary"}))
        }
    }
}

fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::InPerson => json!([{"token": []}, {"cookie": []}]),
        _ => json!([{"token": []}, {"cookie": []}, {"key": []}]),
    }
}

/// For what part of things the permission may be held, where it may.
fn scope(access: Access) -> Option<&'static str> {
    match access {
        Access::NeedsIn(_, Scope::Group) => Some("group"),
        Access::NeedsIn(_, Scope::Own) => Some("own"),
        _ => None,
    }
}

fn permission(access: Access) -> String {
    match access {
        Access::Public => "public".into(),
        Access::SignedIn => "signed-in".into(),
        Access::InPerson => "in-person".into(),
        Access::Needs(permission) | Access::NeedsIn(permission, _) => permission.word().into(),
    }
}

#[cfg(test)]
mod tests;
