//! Compares two answers to one request, and counts the differences. Each difference must be explained by an entry of
//! `differences`, and each entry must have explained something.

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;
use serde_json::Value;

use crate::differences;
use crate::raw::{Answered, Asked};
use crate::rules::Routes;
use crate::sides::Sides;

/// The number of unexplained differences that are printed.
const MOST_SHOWN: usize = 40;

/// One request with both answers.
pub struct Case<'a> {
    pub asked: &'a Asked,
    pub ours: &'a Answered,
    pub gateway: &'a Answered,
    pub pool: &'a DescriptorPool,
}

/// The outcome of all requests so far.
#[derive(Default)]
pub struct Account {
    pub routes: Routes,
    asked: usize,
    equal: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Account {
    /// Sends each request to both sides and notes the outcome.
    pub async fn compare(&mut self, sides: &Sides, requests: impl IntoIterator<Item = Asked>) {
        for asked in requests {
            let (ours, gateway) = sides.ask(&asked).await;
            self.note(&Case { asked: &asked, ours: &ours, gateway: &gateway, pool: &sides.pool });
        }
    }

    /// Notes the outcome of one request.
    pub fn note(&mut self, case: &Case<'_>) {
        self.asked += 1;
        // Every answer of the RPC that always fails is an error, so it counts as well.
        if case.ours.status < 300 || case.asked.path().starts_with("/v1/failures") {
            self.routes.note(case.asked);
        }
        let Err(what) = same(case.ours, case.gateway) else {
            self.equal += 1;
            return;
        };
        // No entry explains an internal error of ours.
        let is_defect = case.ours.status >= 500 && case.gateway.status < 500;
        let explanation = differences::all().into_iter().find(|difference| !is_defect && (difference.applies)(case));
        match explanation {
            Some(difference) => *self.explained.entry(difference.name).or_default() += 1,
            None => self.unexplained.push(format!(
                "{}\n  {what} differs\n  ours:    {}\n  gateway: {}",
                case.asked, case.ours, case.gateway
            )),
        }
    }

    /// Prints the counts. An unexplained difference fails the run, and so does an entry that explains nothing.
    pub fn close(&self) {
        let explained: usize = self.explained.values().sum();
        let (routes, asked, equal) = (self.routes.len(), self.asked, self.equal);
        println!("{routes} routes, {asked} requests, {equal} equal, {explained} differ as listed:");
        for (name, count) in &self.explained {
            println!("  {count:5} {name}");
        }
        for text in self.unexplained.iter().take(MOST_SHOWN) {
            println!("\nUNEXPLAINED {text}");
        }
        let idle: Vec<_> =
            differences::all().into_iter().filter(|entry| !self.explained.contains_key(entry.name)).collect();
        for entry in &idle {
            println!("\nNEVER APPLIED {}", entry.name);
        }
        println!("{} unexplained differences, {} idle entries", self.unexplained.len(), idle.len());
        assert!(self.unexplained.is_empty(), "a difference to the other transcoder that nothing explains");
        // Not when the command line selects some of the parts.
        let all = std::env::args().skip(1).all(|argument| argument.starts_with('-'));
        assert!(idle.is_empty() || !all, "an explanation of nothing");
        assert!(self.routes.idle().is_empty() || !all, "routes that nothing took: {:#?}", self.routes.idle());
    }
}

/// Compares two answers. The error names what differs.
fn same(ours: &Answered, gateway: &Answered) -> Result<(), &'static str> {
    if ours.status != gateway.status {
        return Err("status");
    }
    if ours.content_type() != gateway.content_type() {
        return Err("content type");
    }
    if ours.status >= 400 {
        return same_error(ours, gateway);
    }
    if ours.header("token") != gateway.header("token") {
        return Err("token header");
    }
    same_values(ours, gateway)
}

/// Each side has its own texts, except for errors with details, whose texts come from the server.
fn same_error(ours: &Answered, gateway: &Answered) -> Result<(), &'static str> {
    if ours.header("token").is_some() != gateway.header("token").is_some() {
        return Err("token header");
    }
    if ours.code() != gateway.code() {
        return Err("code");
    }
    match (gateway.value(), ours.value()) {
        (Some(gateway), Some(ours)) if gateway.get("details").is_some() && !equal(&gateway, &ours) => {
            Err("status body")
        }
        (Some(_), None) | (None, Some(_)) => Err("body"),
        _ => Ok(()),
    }
}

pub fn same_values(ours: &Answered, gateway: &Answered) -> Result<(), &'static str> {
    match (&ours.values(), &gateway.values()) {
        (Some(ours), Some(gateway)) if equal(&Value::Array(ours.clone()), &Value::Array(gateway.clone())) => Ok(()),
        _ => Err("body"),
    }
}

/// Compares JSON values. A number is compared by its value, however it is written.
pub fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(name, one)| other.get(name).is_some_and(|it| equal(one, it)))
        }
        _ => one == other,
    }
}
