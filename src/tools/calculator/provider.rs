//! The calculator as a tool.

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Deadline, TIME_MAX, evaluate};
use crate::clock::Clock;
use crate::tools::{Provider, Trouble, arguments};

/// Computes what it is asked, and remembers nothing.
pub struct Calculator;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Calculate {
    /// What to compute, such as `(1 + 2/3) ** 2` or `round(sqrt(2), 4)`.
    #[schemars(length(min = 1, max = 4096))]
    expression: String,
}

impl Provider for Calculator {
    fn instructions(&self) -> &'static str {
        "Computes arithmetic exactly. Whole numbers, decimals and fractions stay exact; functions \
         such as `sin` give some 15 digits, and the answer then says `exact: false`."
    }

    fn tools(&self) -> Vec<Tool> {
        let about = "Computes an arithmetic expression: + - * / // % ** !, parentheses, pi, e, and \
                     functions such as sqrt, root, log, sin, round, floor, min, max, sum, mean, gcd, \
                     lcm, factorial, comb.";
        let hints = ToolAnnotations::with_title("Calculate")
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false);
        let tool = Tool::new("calculate", about, JsonObject::new())
            .with_input_schema::<Calculate>()
            .with_output_schema::<Answer>()
            .with_annotations(hints);
        vec![tool]
    }

    fn call(&self, _: &str, given: Value, clock: &Clock) -> Result<Value, Trouble> {
        let Calculate { expression } = arguments(given)?;
        let answer = evaluate(&expression, &Deadline::after(TIME_MAX, clock));
        answer.map(|it| json!(it)).map_err(|it| Trouble::new(it.to_string()))
    }
}
