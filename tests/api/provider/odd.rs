//! Providers that say things in their own way: what Carrel does not need does not matter, what it needs is
//! understood or refused.

use serde_json::{Value, json};

use super::browser::Browser;
use super::{Site, USER};
use crate::support::{Server, rows};

/// All claims stand in the ID token.
fn told_by_token() -> Site {
    Site::with(Server::with(), &json!({"claimsInToken": true}), "http")
}

#[track_caller]
fn comes_in(site: &Site, name: &str, what: &Value) {
    let page = site.sign_in(&mut Browser::new(), name);
    let log = site.server.log().tail(5);
    assert_eq!(page.location, Some(site.url("/")), "{what}: {log}");
}

#[test]
fn further_audiences_are_no_hindrance_for_the_one_it_was_made_for() {
    let site = Site::start();
    for claims in [
        json!({"aud": ["carrel", "329836626744180738"], "azp": "carrel"}),
        json!({"aud": ["account", "carrel"], "azp": "carrel"}),
        json!({"aud": ["carrel"]}),
        json!({"aud": ["carrel"], "azp": "carrel"}),
    ] {
        site.provider.set(&json!({"spoil": {"claims": claims}}));
        comes_in(&site, "anna", &claims);
    }
    for claims in [
        json!({"aud": ["carrel", "other"]}),
        json!({"aud": ["carrel", "other"], "azp": "other"}),
        json!({"aud": "carrel", "azp": "other"}),
        json!({"aud": ["other"], "azp": "carrel"}),
        json!({"aud": [], "azp": "carrel"}),
        json!({"aud": null}),
        json!({"aud": ["carrel", "other"], "azp": ["carrel"]}),
    ] {
        site.provider.set(&json!({"spoil": {"claims": claims}}));
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, "anna");
        println!("{claims}");
        site.refused(&browser, &page, "oidc-token-wrong");
    }
}

#[test]
fn an_audience_of_the_settings_needs_nobody_to_vouch_for_it() {
    let setup = Server::with().env("CARREL_OIDC_AUDIENCES", r#"["school", "library"]"#);
    let site = Site::with(setup, &json!({}), "http");
    let claims = json!({"aud": ["carrel", "library"]});
    site.provider.set(&json!({"spoil": {"claims": claims}}));
    comes_in(&site, "anna", &claims);
    // It is for others who are named, and not for Carrel.
    for claims in [json!({"aud": ["library"]}), json!({"aud": ["carrel", "library", "other"]})] {
        site.provider.set(&json!({"spoil": {"claims": claims}}));
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, "anna");
        site.refused(&browser, &page, "oidc-token-wrong");
    }
}

#[test]
fn a_claim_that_nobody_needs_may_be_of_any_type() {
    let site = told_by_token();
    for claims in [
        json!({"updated_at": "2026-03-04T05:06:07.890Z"}),
        json!({"address": "x", "phone_number_verified": "no", "auth_time": "123"}),
        json!({"gender": 7, "birthdate": 1990, "locale": ["zh"], "zoneinfo": {}, "website": null}),
        json!({"amr": "pwd", "acr": 1, "at_hash": 5, "iat": "today", "jti": 7, "nickname": {}}),
    ] {
        site.provider.set(&json!({"spoil": {"claims": claims}}));
        comes_in(&site, "anna", &claims);
    }
    site.provider.set(&json!({"spoil": null}));
    for answer in [
        json!({"expires_in": "300"}),
        json!({"expires_in": null, "scope": ["openid"], "refresh_token": 5}),
        json!({"token_type": "BEARER"}),
    ] {
        site.provider.set(&json!({"odd": {"token": answer}}));
        comes_in(&site, "anna", &answer);
    }
}

#[test]
fn what_the_provider_says_about_itself_may_be_odd_where_nobody_asks() {
    let site = Site::start();
    let metadata = json!({
        "response_types_supported": "code", "subject_types_supported": null, "scopes_supported": 5,
        "id_token_signing_alg_values_supported": [1], "op_policy_uri": "", "claims_supported": "all",
    });
    // Beside the key that signs, one that is not understood, one to encrypt with, and one of another kind.
    let keys = json!([
        {"kty": "OKP", "crv": "X448", "x": 5}, {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}, "x",
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    ]);
    site.provider.set(&json!({"odd": {"metadata": metadata, "keys": keys}}));
    comes_in(&site, "anna", &metadata);
    // Two keys that could be it, and nobody says which.
    let other = json!({"kty": "RSA", "use": "sig", "e": "AQAB", "n": OTHER_KEY});
    let site = Site::start();
    site.provider.set(&json!({"odd": {"keys": [other]}, "spoil": {"withoutKeyId": true}}));
    comes_in(&site, "anna", &other);
    site.provider.set(&json!({"spoil": {"withoutKeyId": true, "key": "foreign"}}));
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser, "anna");
    site.refused(&browser, &page, "oidc-token-wrong");
}

/// Of RFC 7517, A.1.
const OTHER_KEY: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

#[test]
fn clocks_differ_by_a_minute() {
    let site = told_by_token();
    site.provider.set(&json!({"spoil": {"age": 5}}));
    comes_in(&site, "anna", &json!("ended 5 seconds ago"));
    site.provider.set(&json!({"spoil": {"age": 200}}));
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser, "anna");
    site.refused(&browser, &page, "oidc-token-wrong");
    for exp in [json!(null), json!("2100-01-01"), json!(-1)] {
        site.provider.set(&json!({"spoil": {"claims": {"exp": exp}}}));
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, "anna");
        site.refused(&browser, &page, "oidc-token-wrong");
    }
}

#[test]
fn who_somebody_is_may_be_a_number() {
    let site = told_by_token();
    let claims = json!({"sub": 4711, "preferred_username": 20_260_001, "name": "Anna", "groups": "teachers"});
    site.provider.set(&json!({"spoil": {"claims": claims}}));
    comes_in(&site, "anna", &claims);
    let row = site.row("20260001");
    assert_eq!((&row["full_name"], &row["roles"]), (&json!("Anna"), &json!(["teacher"])));
    // Once more it is the same person, also when the number is text by now.
    let claims = json!({"sub": "4711", "preferred_username": "anna", "name": "Anna", "groups": []});
    site.provider.set(&json!({"spoil": {"claims": claims}}));
    comes_in(&site, "anna", &claims);
    assert_eq!(site.row("anna")["id"], row["id"]);
    for sub in [json!(null), json!(""), json!(["anna"]), json!(true)] {
        site.provider.set(&json!({"spoil": {"claims": {"sub": sub}}}));
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, "anna");
        site.refused(&browser, &page, "oidc-token-wrong");
    }
}

#[test]
fn the_claims_endpoint_may_sign_what_it_says() {
    let site = Site::with(Server::with(), &json!({"signedClaims": true}), "http");
    comes_in(&site, "anna", &json!("signed claims"));
    let row = site.row("anna");
    assert_eq!((&row["full_name"], &row["roles"]), (&json!("Anna Lee"), &json!(["teacher"])));
}

#[test]
fn an_address_that_is_called_unproved_in_any_way_is_not_taken() {
    let site = Site::start();
    for (name, said, taken) in [
        ("one", json!("false"), false),
        ("two", json!("False"), false),
        ("three", json!(0), false),
        ("four", json!("no"), false),
        ("five", json!(false), false),
        ("six", json!("true"), true),
        ("seven", json!(true), true),
        ("eight", json!(null), true),
    ] {
        let email = format!("{name}@school.example");
        let person = json!({"name": name, "email": email, "email_verified": said, "groups": []});
        site.provider.set(&json!({"people": {name: person}}));
        comes_in(&site, name, &said);
        let expected = if taken { json!(email) } else { Value::Null };
        assert_eq!(site.row(name)["email"], expected, "{said}");
    }
    // Nor is it somebody's name.
    let person = json!({"preferred_username": null, "email": "boss@school.example", "email_verified": "false"});
    site.provider.set(&json!({"people": {"nine": person}}));
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser, "nine");
    site.refused(&browser, &page, "oidc-without-name");
    let users = site.server.admin().get(USER).query("searchtype", "all").query("name", "boss");
    assert!(rows(&users.send()).is_empty());
}

#[test]
fn the_slash_at_the_end_of_the_provider_s_name_may_be_left_out() {
    let mut site = Site::with(Server::with(), &json!({"slash": true}), "http");
    comes_in(&site, "anna", &json!("the provider has a slash"));
    let id = site.row("anna")["id"].take();
    // It is the same provider when the settings are written as the provider does.
    let issuer = format!("{}/", site.provider.issuer);
    site.server.set_env("CARREL_OIDC_ISSUER", &issuer);
    site.server.kill_and_start();
    site.provider.stop();
    site.provider.start(site.server.base());
    comes_in(&site, "anna", &json!("both have a slash"));
    assert_eq!(site.row("anna")["id"], id);
    let doctor = site.server.run(&["doctor"], "");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("[ ok ]  The identity provider"), "{said}");
}

#[test]
fn a_provider_of_another_name_is_called_that() {
    let site = Site::start();
    let metadata = json!({"issuer": "https://id.other.example"});
    site.provider.set(&json!({"odd": {"metadata": metadata}}));
    let mut browser = Browser::new();
    let page = browser.get(&site.url(super::BEGIN));
    site.refused(&browser, &page, "oidc-issuer-wrong");
    let doctor = site.server.run(&["doctor"], "");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("[FAIL]  The identity provider"), "{said}");
    assert!(said.contains("https://id.other.example"), "{said}");
}

#[test]
fn people_are_called_what_the_provider_calls_them() {
    let site = Site::start();
    for (subject, given, name) in [
        ("one", "o'neil@school.example", "o'neil@school.example"),
        ("two", "Mary Jane", "Mary Jane"),
        ("three", " Mary\u{a0} Lou ", "Mary Lou"),
        ("four", "SCHOOL\\jane", "jane@SCHOOL"),
        (
            "five",
            "guest_mail.example#EXT#@school.example",
            "guest_mail.example#EXT#@school.example",
        ),
        ("six", "阿里木·买买提", "阿里木·买买提"),
    ] {
        let person = json!({"preferred_username": given, "groups": []});
        site.provider.set(&json!({"people": {subject: person}}));
        comes_in(&site, subject, &json!(given));
        assert_eq!(site.row(name)["source"], "oidc", "{given}");
        comes_in(&site, subject, &json!(given));
    }
    for (subject, given) in [
        ("seven", "../odd"),
        ("eight", "a\u{202e}b"),
        ("nine", "<b>lee</b>"),
        ("ten", "a\\b\\c"),
        ("eleven", "\\jane"),
        ("twelve", "=cmd()"),
        ("thirteen", "'or'"),
    ] {
        let person = json!({"preferred_username": given, "groups": []});
        site.provider.set(&json!({"people": {subject: person}}));
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser, subject);
        println!("{given:?}");
        site.refused(&browser, &page, "outsider-name-unusable");
    }
    // Who has an account keeps its name.
    site.provider.set(&json!({"people": {"two": {"preferred_username": "a/b", "groups": []}}}));
    comes_in(&site, "two", &json!("a/b"));
    assert_eq!(site.row("Mary Jane")["source"], "oidc");
}
