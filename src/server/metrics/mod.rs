//! The metrics for Prometheus, on a port of their own (`METRICS_ADDR`), because clients of the service need not see
//! them. They are numbers without names of accounts or clients, and are read when the page is requested.

mod bounds;
mod hashing;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::hashing::PasswordHasher;
use crate::meter::Meter;
use crate::transport::Bounds;
use countersign_guard::revocations::Revocations;

/// The counters of RPCs, by any protocol, and of the answers of the JSON APIs.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    pub calls: Arc<Meter>,
    pub answers: Arc<Meter>,
}

/// Answers `GET /metrics` in the text format of OpenMetrics.
pub(super) fn router(
    revocations: Arc<Revocations>,
    hasher: PasswordHasher,
    bounds: Arc<Bounds>,
    meters: Meters,
) -> Router {
    let mut registry = Registry::with_prefix("countersign");
    registry.register_collector(Box::new(OfCalls {
        meter: meters.calls,
        what: "rpc",
        name: "method",
        outcome: "code",
    }));
    registry.register_collector(Box::new(OfCalls {
        meter: meters.answers,
        what: "http",
        name: "route",
        outcome: "status",
    }));
    registry.register_collector(Box::new(OfRevocations(revocations)));
    registry.register_collector(Box::new(hashing::OfHashing(hasher)));
    registry.register_collector(Box::new(bounds::OfBounds(bounds)));
    let registry = Arc::new(registry);
    Router::new().route("/metrics", get(async move || answer(&registry)))
}

fn answer(registry: &Registry) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, registry) {
        Ok(()) => {
            let of = [
                (CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
                (CACHE_CONTROL, "no-store"),
            ];
            (of, body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Debug)]
struct OfRevocations(Arc<Revocations>);

impl Collector for OfRevocations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let count = |number: usize| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        let live = count(self.0.len());
        live.encode(encoder.encode_descriptor(
            "revocations",
            "Live revocations in memory",
            None,
            live.metric_type(),
        )?)?;
        let watchers = count(self.0.publisher().watchers());
        watchers.encode(encoder.encode_descriptor(
            "revocation_watchers",
            "Services that watch revocations",
            None,
            watchers.metric_type(),
        )?)?;
        if let Some(age) = self.0.age() {
            let age = ConstGauge::new(age.as_secs_f64());
            age.encode(encoder.encode_descriptor(
                "revocations_age",
                "Time since the revocations in memory were known to be complete",
                Some(&Unit::Seconds),
                age.metric_type(),
            )?)?;
        }
        if let Some(offset) = self.0.clock_offset() {
            let offset = ConstGauge::new(offset.as_seconds_f64());
            offset.encode(encoder.encode_descriptor(
                "clock_offset",
                "How far this machine's clock is ahead of the database's clock; negative when it is behind",
                Some(&Unit::Seconds),
                offset.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

/// The counters of one meter.
#[derive(Debug)]
struct OfCalls {
    meter: Arc<Meter>,
    what: &'static str,
    /// The label of the names.
    name: &'static str,
    /// The label of the outcomes.
    outcome: &'static str,
}

impl Collector for OfCalls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (name, help) = (format!("{}_calls", self.what), "Finished calls, by outcome");
        let mut calls = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
        for reading in self.meter.read() {
            for (outcome, count) in reading.by_outcome {
                calls
                    .encode_family(&[(self.name, reading.name), (self.outcome, outcome)])?
                    .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        let (name, help) =
            (format!("{}_duration", self.what), "Time from the beginning of a call to the beginning of its answer");
        let mut times = encoder.encode_descriptor(&name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for reading in self.meter.read() {
            let count = reading.by_time.iter().map(|(_, count)| count).sum();
            if count > 0 {
                times.encode_family(&[(self.name, reading.name)])?.encode_histogram::<NoLabelSet>(
                    reading.seconds,
                    count,
                    &reading.by_time,
                    None,
                )?;
            }
        }
        Ok(())
    }
}
