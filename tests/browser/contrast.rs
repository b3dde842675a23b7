//! Text can be read: what is written stands out from what it is written on, as WCAG 2 asks (1.4.3, level AA).

use serde_json::Value;

use crate::entry::class_of_two;
use crate::page::{Page, turn};
use crate::support::{ADMIN, PASSWORD, Server};

/// Every text that is shown with too little contrast, with its colours.
const PALE: &str = r#"
    const parse = (text) => {
        const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number)
        return text.startsWith('color(') ? [r * 255, g * 255, b * 255, a] : [r, g, b, a]
    }
    const over = ([r, g, b, a], [r2, g2, b2]) => [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1]
    const ground = (element) => {
        if (!element) return [255, 255, 255, 1]
        const own = parse(getComputedStyle(element).backgroundColor)
        return own[3] === 1 ? own : over(own, ground(element.parentElement))
    }
    const light = (colour) => {
        const [r, g, b] = colour.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const contrast = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y)
        return (high + 0.05) / (low + 0.05)
    }
    // Not half way between two colours.
    document.getAnimations().filter((it) => it instanceof CSSTransition).forEach((it) => it.finish())
    const found = []
    const look = (element, style, text) => {
        const behind = ground(element)
        const ratio = contrast(over(parse(style.color), behind), behind)
        const large = parseFloat(style.fontSize) >= 24
        if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${style.color} on ${behind}: ${text.slice(0, 40)}`)
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement
        const text = walker.currentNode.data.trim()
        if (!text || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue
        // What cannot be used need not stand out.
        if (element.closest('[disabled], [aria-disabled=true], .is-disabled, script, style')) continue
        if (!element.getClientRects().length) continue
        look(element, getComputedStyle(element), text)
    }
    for (const input of document.querySelectorAll('input[placeholder]:not([disabled])')) {
        if (input.checkVisibility() && input.placeholder) look(input, getComputedStyle(input, '::placeholder'), input.placeholder)
    }
    return found
"#;

const PAGES: [&str; 15] = [
    "/",
    "/pools",
    "/nodes",
    "/images",
    "/isos",
    "/networks",
    "/templates",
    "/groups",
    "/desktop-groups",
    "/users",
    "/roles",
    "/sessions",
    "/sign-in-rules",
    "/own/security",
    "/log",
];

#[track_caller]
fn is_readable(page: &Page, what: &str, wrong: &mut Vec<String>) {
    let pale = page.script(PALE);
    let pale = pale.as_array().expect("a list").iter().filter_map(Value::as_str);
    wrong.extend(pale.map(|one| format!("{what}: {one}")));
}

#[test]
fn every_text_stands_out_in_the_light_and_in_the_dark() {
    let _turn = turn();
    let server = Server::start();
    class_of_two(&server);
    let page = Page::open("en");
    page.go(&format!("{}/sign-in", server.base()));
    let mut wrong = Vec::new();
    page.see("[data-test=sign-in]", "");
    is_readable(&page, "/sign-in", &mut wrong);
    page.fill("[data-test=username]", ADMIN);
    page.fill("[data-test=password]", PASSWORD);
    page.click("[data-test=sign-in]");
    page.until("the overview", || (page.path() == "/").then_some(()));
    for theme in ["light", "dark"] {
        page.script(&format!("localStorage.setItem('carrel.theme', '{theme}')"));
        for path in PAGES {
            page.go(&format!("{}{path}", server.base()));
            page.see("main h1", "");
            page.until("the end of loading", || {
                let busy =
                    "return document.querySelectorAll('.el-loading-mask, .el-skeleton').length";
                (page.script(busy) == 0).then_some(())
            });
            is_readable(&page, &format!("{theme} {path}"), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
