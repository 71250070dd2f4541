//! Credentials shown to a tool: what a verifier says to each, and why.

use biscuit_auth::BiscuitBuilder;
use biscuit_auth::builder::Check;
use serde_json::{Map, Value, json};

use super::super::attenuate::{Admits, ArgumentCheck, Narrowing};
use super::super::mint::Draft;
use super::super::residual;
use super::super::verify::feed::Page;
use super::super::verify::{BLOCKS_MAX, TOKEN_BYTES_MAX};
use super::issuer::{
    DIGEST, HOLDER, ISSUER, OTHER_KIND, PREMATURE, RETIRED, UNKNOWN, append, append_for_secp256r1,
    append_foreign, draft, empty_page, later, mint, minted_by, narrow, pages, read, revocation_ids,
    seal, signed, tampered, written,
};
use crate::authz::residual::{Condition, Residual};
use crate::policy::residue::{Comparison, Operand};

pub(super) fn all() -> Vec<Value> {
    let parts = [
        plain(),
        contents(),
        spellings(),
        keys(),
        arguments(),
        left(),
        narrowed(),
        hostile(),
        other_blocks(),
        limits(),
        revocation(),
    ];
    parts.into_iter().flatten().collect()
}

/// The usual question, a minute in, with what `change` says otherwise.
fn case(name: &str, token: &str, change: Value, expected: Value) -> Value {
    let mut case = json!({
        "name": name,
        "token": token,
        "issuer": ISSUER,
        "tool": "translate",
        "tool_digest": DIGEST,
        "scope": "read",
        "now": later(60),
    });
    let case_members = case.as_object_mut().unwrap();
    let Value::Object(change) = change else { panic!("`{name}` changes no members") };
    case_members.extend(change);
    case_members.insert("expected".to_owned(), expected);
    case
}

fn valid(scopes: &[&str]) -> Value {
    json!({ "valid": true, "scopes": scopes })
}

fn refused(reason: &str) -> Value {
    json!({ "valid": false, "reason": reason })
}

fn both() -> Value {
    valid(&["read", "translate"])
}

fn plain() -> Vec<Value> {
    let plain = mint(&draft());
    let named = Draft {
        on_behalf_of: Some("01996b1e-0000-7000-8000-00000000000e".to_owned()),
        agent_name: "researcher \"Ω\"\n); right(\"translate\", \"admin\"".to_owned(),
        ..draft()
    };
    let told = json!({
        "valid": true,
        "credential_id": named.credential_id,
        "decision_id": named.decision_id,
        "agent": named.agent_id,
        "agent_name": named.agent_name,
        "on_behalf_of": named.on_behalf_of,
        "scopes": ["read", "translate"],
        "expires_at": later(900),
        "holder": null,
        "feed_age_seconds": null,
    });
    let bound = mint(&Draft { holder: Some(HOLDER.to_owned()), ..draft() });
    let online = mint(&Draft { online_only: true, ..draft() });
    let held = json!({ "valid": true, "holder": HOLDER });
    vec![
        case("a fresh credential", &plain, json!({}), both()),
        case("everything it tells", &mint(&named), json!({}), told),
        case("the other scope", &plain, json!({ "scope": "translate" }), both()),
        case("any definition of the tool", &plain, json!({ "tool_digest": null }), both()),
        case("its last second", &plain, json!({ "now": later(899) }), both()),
        case("expired", &plain, json!({ "now": later(900) }), refused("expired")),
        case("another tool", &plain, json!({ "tool": "pay" }), refused("wrong_tool")),
        case("another definition", &plain, json!({ "tool_digest": "sha256:0" }), refused("digest")),
        case("a scope not granted", &plain, json!({ "scope": "admin" }), refused("scope")),
        case(
            "another issuer's verifier",
            &plain,
            json!({ "issuer": "https://other.example" }),
            refused("issuer"),
        ),
        case("bound, and proved", &bound, json!({ "proved": ["x", HOLDER] }), held),
        case("bound, nothing proved", &bound, json!({}), refused("holder")),
        case("bound, another proved", &bound, json!({ "proved": ["x"] }), refused("holder")),
        case("online only", &online, json!({}), refused("online_only")),
        case("online only, for who asks", &online, json!({ "asks_gatewright": true }), both()),
        case(
            "a clock before all time",
            &plain,
            json!({ "now": "1969-12-31T23:59:59Z" }),
            refused("signature"),
        ),
    ]
}

/// Authority blocks that are not what every credential has.
fn contents() -> Vec<Value> {
    let good = format!(
        r#"gatewright(1); issuer("{ISSUER}"); credential("c"); decision("d"); agent("a");
        agent_name("n"); tool("translate"); tool_digest("{DIGEST}"); right("translate", "read");
        check if time($t), $t < 2026-11-21T22:15:00Z;"#
    );
    let dated = "check if time($t), $t < 2026-11-21T22:15:00Z";
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        written(&good.replacen(from, to, 1))
    };
    let two_rights = "right(\"translate\", \"read\"); right(\"pay\", \"pay\")";
    let malformed = || refused("malformed");
    let ours = |name, from, to, expected| case(name, &with(from, to), json!({}), expected);
    vec![
        ours("written by hand", "gatewright(1)", "gatewright(1)", valid(&["read"])),
        ours("a fact of a later minor format", "agent(", "later(1); agent(", valid(&["read"])),
        ours("no format", "gatewright(1);", "", refused("version")),
        ours("a format of the future", "gatewright(1)", "gatewright(2)", refused("version")),
        ours("a format in text", "gatewright(1)", "gatewright(\"1\")", malformed()),
        ours("two formats", "gatewright(1)", "gatewright(1); gatewright(2)", malformed()),
        ours("no expiry", dated, "check if true", malformed()),
        ours("an expiry that only holds later", "$t <", "$t >", malformed()),
        ours("an expiry with a way around", dated, &format!("{dated} or time($t)"), malformed()),
        ours("a rejected expiry", "check if", "reject if", malformed()),
        ours("no id", "credential(\"c\");", "", malformed()),
        ours("no decision", "decision(\"d\");", "", malformed()),
        ours("no agent", "agent(\"a\");", "", malformed()),
        ours("no issuer", &format!("issuer(\"{ISSUER}\");"), "", malformed()),
        ours("no digest", &format!("tool_digest(\"{DIGEST}\");"), "", malformed()),
        ours("two tools", "tool(\"t", "tool(\"x\"); tool(\"t", malformed()),
        ours("a right without a scope", "\"translate\", \"read\"", "\"translate\"", malformed()),
        ours("a right on another tool", "right(\"translate\"", "right(\"pay\"", refused("scope")),
        ours(
            "a right on another tool beside",
            "right(\"translate\", \"read\")",
            two_rights,
            valid(&["read"]),
        ),
        ours(
            "two expiries: the earlier",
            dated,
            &format!("{dated}; check if time($x), $x <= 2026-11-21T22:00:59Z"),
            refused("expired"),
        ),
    ]
}

/// Ways to write a token down.
fn spellings() -> Vec<Value> {
    let plain = mint(&draft());
    let bare = plain.trim_end_matches('=').to_owned();
    let seen = |name, token: &str, expected| case(name, token, json!({}), expected);
    let malformed = || refused("malformed");
    let cut = &bare[..bare.len() / 4 * 2];
    vec![
        seen("without padding", &bare, both()),
        seen("nothing", "", malformed()),
        seen("a web token", "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln", malformed()),
        seen("bytes that are no biscuit", "AAAA", malformed()),
        seen("one character too few", "AAAAA", malformed()),
        seen("stray bits at the end", "AB", malformed()),
        seen("a blank within", &format!("{} {}", &bare[..8], &bare[8..]), malformed()),
        seen("a line break after", &format!("{bare}\n"), malformed()),
        seen("padding and more", &format!("{bare}====AAAA"), malformed()),
        seen("characters of the other base64", &format!("{}+/+/", &bare[..8]), malformed()),
        seen("cut off", cut, malformed()),
        seen("a spoiled signature", &tampered(&plain, -80), refused("signature")),
    ]
}

/// Which root key made it, and when that key may be relied on.
fn keys() -> Vec<Value> {
    let by = |id| minted_by(&draft(), id);
    let nameless = signed(BiscuitBuilder::new().code("gatewright(1)").unwrap(), RETIRED);
    let seen =
        |name, token: &str, now, expected| case(name, token, json!({ "now": now }), expected);
    let signature = || refused("signature");
    let claimed = super::super::mint::authority(&draft()).unwrap().root_key_id(2);
    vec![
        seen("by a key rotated out", &by(RETIRED), later(599), both()),
        seen("by a key whose time is over", &by(RETIRED), later(600), signature()),
        seen("by a key whose time has not come", &by(PREMATURE), later(60), signature()),
        seen("by a key of another kind", &by(OTHER_KIND), later(60), signature()),
        seen("by a key of no name", &by(UNKNOWN), later(60), signature()),
        seen("by a key that says to be another", &signed(claimed, RETIRED), later(60), signature()),
        seen("naming no key", &nameless, later(60), refused("malformed")),
    ]
}

fn checked(check: &str) -> String {
    mint(&Draft { checks: vec![Check::try_from(check).unwrap()], ..draft() })
}

/// Checks that the decision left over, on arguments and surroundings.
fn arguments() -> Vec<Value> {
    let most = checked(
        r#"check if ctx($c), $c.get("call.number/amount") != null
        && $c.get("call.number/amount") <= 500"#,
    );
    let around = checked(
        r#"check if ctx($c), $c.get("net.ip4") == 2130706433 && $c.get("net.country") == "DE"
        && $c.get("clock.local.weekday") == "monday" && $c.get("clock.local.time") < 1000
        && $c.get("clock.now") == 1795298460000 && $c.get("call.text/a~1b~0/0") == "x""#,
    );
    let decimal = checked(r#"check if ctx($c), $c.get("call.decimal/rate") == 500"#);
    let flag = checked(r#"check if ctx($c), $c.get("call.flag/sure") == true"#);
    let call = |name, token: &str, arguments: Value, expected| {
        case(name, token, json!({ "arguments": arguments }), expected)
    };
    let argument = || refused("argument");
    let surroundings = json!({
        "arguments": { "a/b~": ["x"] },
        "address": "::ffff:127.0.0.1",
        "country": "DE",
        "local_time": ["monday", 999],
    });
    vec![
        call("at most 500: 500", &most, json!({ "amount": 500 }), both()),
        call("at most 500: 501", &most, json!({ "amount": 501 }), argument()),
        call("at most 500: 0.05", &most, json!({ "amount": 0.05 }), argument()),
        call("at most 500: 1e30", &most, json!({ "amount": 1e30 }), argument()),
        call("at most 500: text", &most, json!({ "amount": "5" }), argument()),
        call("at most 500: nothing", &most, json!({}), argument()),
        call("at most 500: null", &most, json!({ "amount": null }), argument()),
        case("at most 500: no arguments", &most, json!({}), argument()),
        call("a decimal: 0.05", &decimal, json!({ "rate": 0.05 }), both()),
        call("a decimal: 0.0500001", &decimal, json!({ "rate": 0.050_000_1 }), argument()),
        call("a decimal: 1", &decimal, json!({ "rate": 1 }), argument()),
        call("a flag: true", &flag, json!({ "sure": true }), both()),
        call("a flag: 1", &flag, json!({ "sure": 1 }), argument()),
        case("surroundings", &around, surroundings, both()),
        case("surroundings unknown", &around, json!({}), argument()),
    ]
}

/// Checks that policies became: what was left of a decision when the credential was issued.
fn left() -> Vec<Value> {
    let url = || "/url".to_owned();
    let at_home = ["localhost", "127.0.0.1"].map(|it| Condition::Holds(url(), it.to_owned()));
    let inside =
        Condition::All(vec![Condition::Has(Operand::Text(url())), Condition::Any(at_home.into())]);
    let most = Condition::Number("/amount".to_owned(), Comparison::LessEqual, 500);
    let few = Condition::Any(vec![
        Condition::Not(Box::new(Condition::Has(Operand::Number("/amount".to_owned())))),
        most,
    ]);
    let moment = |seconds: i64| later(seconds).as_millisecond();
    let hours = Condition::Within(vec![(i64::MIN, moment(120)), (moment(300), moment(420))]);
    let words = ["de", "fr"].map(str::to_owned).into();
    let language = Condition::OneOf("/lang".to_owned(), words);
    let not = |it| Condition::Not(Box::new(it));
    let minted = |conditions: Vec<Condition>| {
        let left = Residual { conditions, beyond: None };
        mint(&Draft { checks: residual::checks(&left), ..draft() })
    };
    let outside = minted(vec![not(inside)]);
    let few = minted(vec![few]);
    let hours = minted(vec![hours]);
    let known = minted(vec![language.clone()]);
    let foreign = minted(vec![not(language)]);
    let call = |name, token: &str, arguments: Value, expected| {
        case(name, token, json!({ "arguments": arguments }), expected)
    };
    let argument = || refused("argument");
    let at = |seconds: i64| json!({ "now": later(seconds) });
    vec![
        call("left over: an address outside", &outside, json!({ "url": "https://a.b" }), both()),
        call("left over: one inside", &outside, json!({ "url": "http://localhost/" }), argument()),
        call("left over: no address", &outside, json!({}), both()),
        call("left over: an odd number for text", &outside, json!({ "url": 1.5 }), argument()),
        call("left over: a number for text", &outside, json!({ "url": 1 }), both()),
        call("left over: at most 500: nothing", &few, json!({}), both()),
        call("left over: at most 500: 500.0", &few, json!({ "amount": 500.0 }), both()),
        call("left over: at most 500: 501", &few, json!({ "amount": 501 }), argument()),
        call("left over: at most 500: 0.5", &few, json!({ "amount": 0.5 }), argument()),
        case("left over: in the first hours", &hours, at(119), both()),
        case("left over: after them", &hours, at(120), argument()),
        case("left over: in the second hours", &hours, at(300), both()),
        case("left over: after all hours", &hours, at(420), argument()),
        call("left over: a known word", &known, json!({ "lang": "de" }), both()),
        call("left over: an unknown word", &known, json!({ "lang": "en" }), argument()),
        call("left over: no word", &known, json!({}), argument()),
        call("left over: another word", &foreign, json!({ "lang": "en" }), both()),
        call("left over: a forbidden word", &foreign, json!({ "lang": "fr" }), argument()),
    ]
}

/// Blocks that holders add in good faith.
fn narrowed() -> Vec<Value> {
    let plain = mint(&draft());
    let bound = mint(&Draft { holder: Some(HOLDER.to_owned()), ..draft() });
    let fewer = Narrowing { scopes: Some(["read".to_owned()].into()), ..Narrowing::default() };
    let sooner = Narrowing { expires_at: Some(later(60)), ..Narrowing::default() };
    let handed = Narrowing { holder: Some("sub".to_owned()), ..Narrowing::default() };
    let amount = ArgumentCheck { pointer: "/amount".into(), admits: Admits::AtMost(500.into()) };
    let most = Narrowing { arguments: vec![amount], ..Narrowing::default() };
    let (fewer, sooner) = (narrow(&plain, &fewer), narrow(&plain, &sooner));
    let (most, handed_on) = (narrow(&plain, &most), narrow(&plain, &handed));
    let twice = narrow(&fewer, &handed);
    let bound = narrow(&bound, &handed);
    let amount = |it: Value| json!({ "arguments": { "amount": it } });
    let until = json!({ "valid": true, "expires_at": later(60) });
    vec![
        case("fewer scopes: the one kept", &fewer, json!({}), valid(&["read"])),
        case(
            "fewer scopes: the one given up",
            &fewer,
            json!({ "scope": "translate" }),
            refused("scope"),
        ),
        case("sooner: in time", &sooner, json!({ "now": later(59) }), until),
        case("sooner: too late", &sooner, json!({}), refused("expired")),
        case("narrowed to 500: 499.5", &most, amount(json!(499.5)), both()),
        case("narrowed to 500: 500.0001", &most, amount(json!(500.000_1)), refused("argument")),
        case("narrowed to 500: nothing", &most, json!({}), refused("argument")),
        case("narrowed to 500: text", &most, amount(json!("499")), refused("argument")),
        case("handed on: proved", &handed_on, json!({ "proved": ["sub"] }), both()),
        case("handed on: not proved", &handed_on, json!({}), refused("holder")),
        case("narrowed twice", &twice, json!({ "proved": ["sub"] }), valid(&["read"])),
        case("bound and handed on: one", &bound, json!({ "proved": ["sub"] }), refused("holder")),
        case("bound and handed on: both", &bound, json!({ "proved": ["sub", HOLDER] }), both()),
        case("narrowed and sealed", &seal(&fewer), json!({}), valid(&["read"])),
        case(
            "for another tool alone",
            &append(&plain, r#"check if request("pay", $s)"#),
            json!({}),
            refused("wrong_tool"),
        ),
        case(
            "something no verifier knows",
            &append(&plain, "check if weather(\"fine\")"),
            json!({}),
            refused("check"),
        ),
        case(
            "a condition on one of the scopes",
            &append(&plain, r#"check if request($t, "read") or ctx($c), $c.get("x") == 1"#),
            json!({}),
            valid(&["read"]),
        ),
    ]
}

/// Blocks that try to widen: each is appended to a bound credential, narrowed to `read`, and asked
/// for `admin` with the key unproved, or for `read` when it has expired.
fn hostile() -> Vec<Value> {
    let lies = [
        r#"right("translate", "admin")"#,
        r#"right($t, $s) <- request($t, $s)"#,
        r#"right("translate", "admin") <- right($t, $s) trusting previous"#,
        r#"request("translate", "read")"#,
        r#"tool("pay"); tool_digest("sha256:0"); issuer("https://other.example")"#,
        r#"credential("another"); gatewright(2); online_only(false)"#,
        r#"time(2000-01-01T00:00:00Z); time(2000-01-01T00:00:00Z) <- time($t)"#,
        r#"holder("mine"); holder_proved("mine"); holder_proved($k) <- holder($k)"#,
        r#"ctx({"call.number/amount": 1}) <- ctx($c)"#,
        r#"check if time($t), $t < 2999-01-01T00:00:00Z"#,
        r#"allowed(true); check if true trusting previous"#,
    ];
    let bound = mint(&Draft { holder: Some(HOLDER.to_owned()), ..draft() });
    let ask = |lie: &str, what: &str, scopes: &str, change: Value, reason: &str| {
        let name = format!("{what} by `{scopes}{lie}`");
        case(&name, &append(&bound, &format!("{scopes}{lie};")), change, refused(reason))
    };
    let mut cases = Vec::new();
    for lie in lies {
        let trusting = "trusting previous; ";
        let proved = json!({ "scope": "admin", "proved": [HOLDER] });
        cases.extend([
            ask(lie, "more scopes", "", proved.clone(), "scope"),
            ask(lie, "more scopes", trusting, proved, "scope"),
            ask(lie, "another holder", "", json!({ "proved": ["mine"] }), "holder"),
            ask(lie, "more time", "", json!({ "now": later(900), "proved": [HOLDER] }), "expired"),
        ]);
    }
    let harmless = append(&bound, r#"right("translate", "admin"); tool("pay");"#);
    cases.push(case("claims change nothing", &harmless, json!({ "proved": [HOLDER] }), both()));
    cases
}

/// Blocks of third parties, sealed tokens, keys of the other kind.
fn other_blocks() -> Vec<Value> {
    let plain = mint(&draft());
    let third = append_foreign(&plain, r#"right("translate", "admin"); group("staff");"#);
    let asked = append_foreign(&plain, r#"check if request($t, "translate")"#);
    let dated = append_foreign(&plain, "check if time($t), $t < 2026-11-21T22:00:30Z");
    let secp = append_for_secp256r1(&plain, r#"check if request($t, "read")"#);
    let more = append_foreign(&append(&plain, "note(\"first\")"), "check if note($n)");
    let seen = |name, token: &str, expected| case(name, token, json!({}), expected);
    vec![
        seen("a third party's claims change nothing", &third, both()),
        case(
            "a third party grants no scope",
            &third,
            json!({ "scope": "admin" }),
            refused("scope"),
        ),
        seen("a third party narrows", &asked, refused("scope")),
        seen("a third party sets an expiry", &dated, refused("expired")),
        seen("a third party sees no holder's fact", &more, refused("check")),
        seen("handed on to a key of the other kind", &secp, valid(&["read"])),
        seen("sealed", &seal(&plain), both()),
        seen("sealed, spoiled", &tampered(&seal(&plain), -3), refused("signature")),
    ]
}

/// Tokens that are too large, or too much work.
fn limits() -> Vec<Value> {
    let plain = mint(&draft());
    let blocks =
        |count: usize| (1..count).fold(plain.clone(), |token, _| append(&token, "check if true"));
    let facts: String = (0..60).map(|it| format!("n({it}); ")).collect();
    let join: String = ('a'..'m').map(|it| format!("n(${it}), ")).collect();
    let deep: String =
        (1..9).map(|it| format!("[1, 2, 3, 4, 5, 6, 7, 8].all($x{it} -> ")).collect();
    let closed = ")".repeat(8);
    let text = "x".repeat(2000);
    let sums = vec!["$s"; 300].join(" + ");
    let pattern = r#"$s.matches("(\\w{90}){90}")"#;
    let patterns = vec![pattern; 20].join(" || ");
    let costly =
        |name: &str, code: String| case(name, &append(&plain, &code), json!({}), refused("limits"));
    let size = |token: &str| read(token).serialized_size().unwrap();
    let large = |bytes: usize| append(&plain, &format!("x(\"{}\")", "y".repeat(bytes)));
    // The lengths within grow by a few bytes as well, so approach from below.
    let room = TOKEN_BYTES_MAX - size(&append(&plain, "x(\"\")"));
    let sized = |wanted| (0..20).map(|it| large(room - it)).find(|it| size(it) == wanted).unwrap();
    vec![
        case("sixteen blocks", &blocks(BLOCKS_MAX), json!({}), both()),
        case("seventeen blocks", &blocks(BLOCKS_MAX + 1), json!({}), refused("limits")),
        case("eight kibibytes", &sized(TOKEN_BYTES_MAX), json!({}), both()),
        case("a byte more", &sized(TOKEN_BYTES_MAX + 1), json!({}), refused("limits")),
        case("far too long", &"A".repeat(20_000), json!({}), refused("limits")),
        costly("a join of many facts", format!("{facts} check if {join} $a > 1000")),
        costly(
            "closures within closures",
            format!("check if [1, 2, 3].all($x0 -> {deep}$x0 > 0{closed})"),
        ),
        costly("sums of long text", format!("s(\"{text}\"); check if s($s), ({sums}) == \"\"")),
        costly("many patterns", format!("s(\"a\"); check if s($s), {patterns}")),
        costly("rules that multiply", format!("{facts} m($a, $b, $c) <- n($a), n($b), n($c)")),
    ]
}

/// Credentials and blocks on the revocation feed, and feeds of every age.
fn revocation() -> Vec<Value> {
    let plain = mint(&draft());
    let child = narrow(&plain, &Narrowing { expires_at: Some(later(600)), ..Narrowing::default() });
    let of_child = revocation_ids(&child);
    let credential = || Page {
        credential_ids: vec!["other".to_owned(), draft().credential_id],
        ..empty_page("", "1")
    };
    let block = |id: &str| Page { revocation_ids: vec![id.to_owned()], ..empty_page("", "1") };
    let asked = |list: Vec<Page>, seconds| json!({ "feed": pages(list), "now": later(seconds) });
    let revoked = || refused("revoked");
    let aged = |seconds| json!({ "valid": true, "feed_age_seconds": seconds });
    let mut any_age = Map::new();
    any_age.insert("any_feed_age".to_owned(), true.into());
    any_age.extend(asked(vec![empty_page("", "1")], 301).as_object().unwrap().clone());
    let stale = || refused("feed_stale");
    let half = || Page { more: true, ..empty_page("", "1") };
    vec![
        case("on no list", &plain, asked(vec![empty_page("", "1")], 60), aged(60)),
        case("its id revoked", &plain, asked(vec![credential()], 60), revoked()),
        case(
            "its id revoked, of what was narrowed",
            &child,
            asked(vec![credential()], 60),
            revoked(),
        ),
        case("its block revoked", &plain, asked(vec![block(&of_child[0])], 60), revoked()),
        case("its first block revoked", &child, asked(vec![block(&of_child[0])], 60), revoked()),
        case("its second block revoked", &child, asked(vec![block(&of_child[1])], 60), revoked()),
        case("a narrower one revoked", &plain, asked(vec![block(&of_child[1])], 60), aged(60)),
        case(
            "its block revoked in capitals",
            &child,
            asked(vec![block(&of_child[1].to_uppercase())], 60),
            revoked(),
        ),
        case("revoked on an old list", &plain, asked(vec![credential()], 800), revoked()),
        case("a list as old as may be", &plain, asked(vec![empty_page("", "1")], 300), aged(300)),
        case("a list too old", &plain, asked(vec![empty_page("", "1")], 301), stale()),
        case("any age will do", &plain, Value::Object(any_age), aged(301)),
        case("half a list", &plain, asked(vec![half()], 60), stale()),
        case("both halves", &plain, asked(vec![half(), empty_page("1", "2")], 60), aged(60)),
        case("an empty list", &plain, asked(vec![], 60), stale()),
    ]
}
