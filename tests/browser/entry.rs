//! How most tests begin: signed in, with a class.

use crate::page::Page;
use crate::support::{ADMIN, PASSWORD, SMALL, Server, Site, small_image};

impl Page {
    /// Signs a person in with the tests' password, and waits for the first page.
    #[track_caller]
    pub fn sign_in(&self, server: &Server, name: &str) {
        self.go(&format!("{}/sign-in", server.base()));
        self.fill("[data-test=username]", name);
        self.fill("[data-test=password]", PASSWORD);
        self.click("[data-test=sign-in]");
        self.until("the first page", || (self.path() != "/sign-in").then_some(()));
    }
}

/// The administrator's page, in English.
#[track_caller]
pub fn enter(server: &Server) -> Page {
    let page = Page::open("en");
    page.sign_in(server, ADMIN);
    page
}

/// A class room and two desktops in it.
pub fn class_of_two(server: &Server) -> Site {
    let site = Site::of(server, SMALL);
    let image = site.upload("small", &small_image(server));
    let template = site.template("plain", &image);
    site.deploy("class", &site.classroom("room"), &template, 2);
    site
}
