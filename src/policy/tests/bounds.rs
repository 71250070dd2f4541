use super::{shown, with};

fn policy(condition: &str) -> String {
    format!(
        "@id(\"ours.x\") @title(\"A large one\") forbid (principal, action, resource) \
         when {{ {condition} }};"
    )
}

#[test]
fn what_would_overflow_the_stack_is_refused() {
    let nested = |open: &str, n: usize, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    for (condition, problem) in [
        (nested("(", 100_000, "true", ")"), "nested deeper than"),
        (nested("[", 100_000, "1", "]"), "nested deeper than"),
        (format!("true{}", " && true".repeat(50_000)), "operators in one statement"),
        (format!("principal{}", ".a".repeat(50_000)), "operators in one statement"),
        (format!("1{} == 1", " + 1".repeat(50_000)), "operators in one statement"),
        (format!("{}true", "if true then true else ".repeat(40_000)), "operators in one statement"),
    ] {
        let found = shown(with(&policy(&condition)));
        assert!(found.starts_with("policies/90-ours.cedar:1:"), "{found}");
        assert!(found.contains(problem), "{found}");
    }
    let clauses = format!(
        "@id(\"ours.x\") @title(\"A large one\") forbid (principal, action, resource) {};",
        "when { true } ".repeat(50_000)
    );
    assert!(shown(with(&clauses)).contains("operators in one statement"));
}

#[test]
fn what_is_within_bounds_is_checked_to_the_end() {
    let chain = format!("true{}", " && true".repeat(290));
    assert_eq!(shown(with(&policy(&chain))), "");
    let nested = format!("{}true{}", "(".repeat(28), ")".repeat(28));
    assert_eq!(shown(with(&policy(&nested))), "");
}

#[test]
fn brackets_in_strings_and_comments_are_not_counted() {
    let text = format!(
        "// {}\n{}",
        "(".repeat(99),
        policy(
            r#"context.net has country && context.net.country == "((((((((((((((((((((((((((((((((((\"(;""#
        )
    );
    assert_eq!(shown(with(&text)), "");
}

#[test]
fn a_bundle_has_a_largest_size() {
    let found = shown(with(&"// long\n".repeat(600_000)));
    assert!(found.contains("more than"), "{found}");
}
