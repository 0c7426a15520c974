//! What is measured, for Prometheus, on a listener of its own (`METRICS_ADDR`): who may call the service need not know how
//! it is doing. Numbers only, and no names; each is read when it is asked for.

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

use crate::hashing::{Dropped, Histogram, PasswordHasher, Refusal};
use crate::revocations::Revocations;

/// `GET /metrics`, in OpenMetrics' text.
pub(super) fn router(revocations: Arc<Revocations>, hasher: PasswordHasher) -> Router {
    let mut registry = Registry::with_prefix("countersign");
    registry.register_collector(Box::new(OfRevocations(revocations)));
    registry.register_collector(Box::new(OfHashing(hasher)));
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
        let watchers = count(self.0.news().watchers());
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
        Ok(())
    }
}

#[derive(Debug)]
struct OfHashing(PasswordHasher);

impl Collector for OfHashing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        for (name, help, unit, value) in [
            ("hash_waiting", "Passwords that wait for a thread", None, stats.waiting),
            ("hash_running", "Passwords that are being hashed", None, stats.running),
            ("hash_threads", "Threads that hash passwords", None, stats.threads),
            ("hash_capacity", "How many passwords may wait", None, stats.capacity),
            ("hash_memory", "Memory held for hashing", Some(&Unit::Bytes), stats.memory),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
        }
        for (name, help, times) in [
            ("hash_wait", "How long passwords waited that were then hashed", &stats.wait),
            ("hash_run", "How long hashes took, once begun", &stats.run),
        ] {
            let counts = Histogram::BOUNDS.into_iter().chain([f64::INFINITY]).zip(times.counts);
            encoder
                .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?
                .encode_histogram::<NoLabelSet>(times.sum, times.count(), &counts.collect::<Vec<_>>(), None)?;
        }
        let refused = Refusal::ALL.map(|(cause, name)| (name, stats.refused[cause as usize]));
        let dropped = Dropped::ALL.map(|(cause, name)| (name, stats.dropped[cause as usize]));
        for (name, help, counts) in [
            ("hash_refused", "Passwords refused, by cause", &refused[..]),
            ("hash_dropped", "Passwords that waited and were not hashed, by cause", &dropped),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (cause, count) in counts {
                metric.encode_family(&[("cause", *cause)])?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        Ok(())
    }
}
