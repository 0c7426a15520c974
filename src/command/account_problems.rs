//! `countersign account list --problems`: what is wrong with accounts, and the command that mends it.

use serde_json::json;

use super::CommandError;
use crate::accounts::{AccountProblem, Mend, Operator};
use crate::config::Output;

/// Prints one line or object for each problem.
pub(super) async fn list(operator: &Operator, output: Output) -> Result<(), CommandError> {
    let mut after = None;
    loop {
        let (problems, next) = operator.problems(after).await?;
        for problem in &problems {
            show(output, problem)?;
        }
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

fn show(output: Output, AccountProblem { account, column, value, mend }: &AccountProblem) -> Result<(), CommandError> {
    // The value may hold control characters, and look like another one.
    let value = value.as_deref().map(|value| value.escape_default().to_string());
    let why = match value {
        Some(_) => "is not in canonical form, and so could be taken for another name",
        None => "cannot be read",
    };
    let command = match mend {
        Mend::Rename => format!("countersign account rename {account} NEW_NAME"),
        Mend::Delete => format!("countersign account delete {account}"),
    };
    output.print(
        || format!("{account}  {column}  {}  {why}: {command}", value.as_deref().unwrap_or("-")),
        || json!({ "id": account, "column": column, "value": value, "why": why, "command": command }),
    )
}
