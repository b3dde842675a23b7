//! The console in headless Chromium, against the running binary. Needs root, chromium and chromedriver.

#[path = "../support/mod.rs"]
mod support;

mod axe;
mod bus_switch;
mod contrast;
mod dialogs;
mod entry;
mod find;
mod guest;
mod https;
mod identity;
mod image_hints;
mod isos;
mod lists;
mod live;
mod page;
mod pages;
mod phone;
mod provider;
mod scopes;
mod story;
mod tabs;
mod uploads;
mod viewers;
mod weight;
