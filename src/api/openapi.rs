//! `/api/openapi.json`, made from the endpoint table.
//!
//! OpenAPI knows one operation per method and path. Rows that share them and differ by `action` become
//! one operation with a choice of bodies; each row stands in `x-actions` with its own id, permission
//! and shapes, so that nothing is lost to those who read the document by program.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::answer::{Answer, IntoAnswer, Outcome};
use super::call::Call;
use super::dialect::ActionInput;
use super::endpoint::{Access, Endpoint, Mounted, Scope, get};
use super::input::NoInput;
use super::{App, DIALECTS, table};
use crate::error::Result;
use crate::identity::Permission;
use crate::store::Topic;
use rocket::http::Method;

pub fn endpoints() -> Vec<Endpoint> {
    vec![get("carrel.openapi", "/api/openapi.json", read).public().summary("This document")]
}

struct Document(Value);

impl IntoAnswer for Document {
    fn into_answer(self, _: &App, _: &Call) -> Result<Outcome> {
        Ok(Answer { data: self.0, ..Answer::default() }.into())
    }

    fn schema(_: &mut SchemaGenerator) -> Option<schemars::Schema> {
        None
    }
}

fn read(_: &App, _: &mut Call, _: NoInput) -> Result<Document> {
    Ok(Document(document()))
}

const DESCRIPTION: &str = "Virtual desktops for classrooms and offices.

Sign in from a program in one of these ways; every dialect takes each of them:

```
curl -u NAME:KEY https://HOST:50004/api/account                     # an API key, made in the console under your name
curl -H 'Authorization: KEY' https://HOST:50004/api/account         # the same, without the name
curl -d 'email=NAME&password=PASSWORD' 'https://HOST:50004/account/?action=login'      # a token in data.access_token
curl -H 'Authorization: TOKEN' https://HOST:50004/api/account       # with or without Bearer
curl -c jar -H 'Content-Type: application/json' -d '{\"username\":\"NAME\",\"password\":\"PASSWORD\"}' \\
     https://HOST:50004/api/account/login                           # a session cookie in the file jar
```

`x-permission` of an operation says who may call it: `public`, `signed-in`, `in-person` (signed in and not by \
an API key) or a permission. `x-permissions` lists all permissions with the number that document 004 gives \
them and the name that document 001 has for eight of them.";

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
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in table() {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        let method = endpoint.method.as_str().to_lowercase();
        match path.get_mut(&method) {
            None => path[method] = operation(endpoint, &mut generator),
            Some(existing) => add_action(existing, endpoint, &mut generator),
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Topic".to_owned(), topic());
    let tags: Vec<_> = DIALECTS.iter().map(|dialect| json!({"name": dialect.tag})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Carrel",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION
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

/// What `changed` events name.
fn topic() -> Value {
    let words: Vec<&str> = Topic::ALL.iter().map(|topic| topic.word()).collect();
    json!({"type": "string", "enum": words})
}

fn operation(endpoint: &Mounted, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": endpoint.id,
        "tags": [endpoint.dialect.tag],
        "summary": endpoint.summary,
        "parameters": path_parameters(endpoint),
        "responses": responses(endpoint, generator),
        "security": security(endpoint.access),
        "x-permission": permission(endpoint.access),
        "x-scope": scope(endpoint.access),
        "x-audit": endpoint.audit.map(|(key, _)| key),
    });
    let input = (endpoint.input)(generator).map(|schema| schema.to_value());
    if endpoint.method == Method::Get {
        let query =
            input.as_ref().map(|schema| query_parameters(schema, generator)).unwrap_or_default();
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.extend(query);
        }
    } else {
        operation["requestBody"] =
            json!({"content": {"application/json": {"schema": body(endpoint, input)}}});
    }
    if endpoint.action.is_some() {
        operation["x-actions"] = json!([action(endpoint, generator)]);
    }
    operation
}

/// Adds a row that shares method and path with others.
fn add_action(operation: &mut Value, endpoint: &Mounted, generator: &mut SchemaGenerator) {
    let input = (endpoint.input)(generator).map(|schema| schema.to_value());
    let schema = &mut operation["requestBody"]["content"]["application/json"]["schema"];
    let first = schema.take();
    let mut choices = match first {
        Value::Object(ref map) if map.contains_key("oneOf") => {
            map["oneOf"].as_array().cloned().unwrap_or_default()
        }
        other => vec![other],
    };
    choices.push(body(endpoint, input));
    *schema = json!({"oneOf": choices});
    let row = action(endpoint, generator);
    match operation["x-actions"].as_array_mut() {
        Some(actions) => actions.push(row),
        None => operation["x-actions"] = json!([row]),
    }
}

fn action(endpoint: &Mounted, generator: &mut SchemaGenerator) -> Value {
    json!({
        "id": endpoint.id,
        "action": endpoint.action,
        "summary": endpoint.summary,
        "permission": permission(endpoint.access),
        "scope": scope(endpoint.access),
        "audit": endpoint.audit.map(|(key, _)| key),
        "data": (endpoint.output)(generator),
    })
}

fn body(endpoint: &Mounted, input: Option<Value>) -> Value {
    let input = input.unwrap_or_else(|| json!({"type": "object"}));
    match (endpoint.action, endpoint.dialect.action_input) {
        (Some(action), ActionInput::Param) => json!({
            "type": "object",
            "title": endpoint.id,
            "required": ["action", "param"],
            "properties": {"action": {"const": action}, "param": input}
        }),
        (Some(action), ActionInput::Beside) => json!({
            "title": endpoint.id,
            "allOf": [input, {
                "type": "object",
                "required": ["action"],
                "properties": {"action": {"const": action}}
            }]
        }),
        _ => input,
    }
}

fn path_parameters(endpoint: &Mounted) -> Value {
    let names =
        endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

fn query_parameters(schema: &Value, generator: &SchemaGenerator) -> Vec<Value> {
    let resolved =
        match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
            Some(name) => generator.definitions().get(name).cloned().unwrap_or_default(),
            None => schema.clone(),
        };
    let required: Vec<&str> =
        resolved["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = resolved["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, schema): (String, Value)| {
        let needed = required.contains(&name.as_str());
        json!({"name": name, "in": "query", "required": needed, "schema": schema})
    };
    properties.into_iter().map(parameter).collect()
}

fn responses(endpoint: &Mounted, generator: &mut SchemaGenerator) -> Value {
    let data = (endpoint.output)(generator)
        .map_or_else(|| json!({"type": "object"}), |schema| schema.to_value());
    let envelope = (endpoint.dialect.schema)(data);
    let success =
        json!({"description": "Success", "content": {"application/json": {"schema": envelope}}});
    let refusal = json!({"description": "Refused; the message says why", "content": {"application/json": {}}});
    json!({"200": success, "default": refusal})
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
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_the_document() {
        let document = document().to_string();
        for endpoint in table() {
            assert!(
                document.contains(&format!("\"{}\"", endpoint.id)),
                "{} is missing",
                endpoint.id
            );
        }
    }
}
