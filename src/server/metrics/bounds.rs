//! The metrics of what clients hold: connections, calls, streams and bytes of bodies, and what was refused of them.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::transport::Bounds;

#[derive(Debug)]
pub(super) struct OfBounds(pub Arc<Bounds>);

impl Collector for OfBounds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = &self.0;
        for (name, help, unit, value) in [
            ("connections", "Open connections", None, bounds.connections.now()),
            ("calls", "Calls in progress, without streams", None, bounds.calls.now()),
            ("streams", "Streams in progress", None, bounds.streams.now() + bounds.open_streams.now()),
            (
                "body",
                "Memory of request bodies that have not arrived completely",
                Some(&Unit::Bytes),
                bounds.bodies.bytes(),
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
        }
        let (name, help) = ("refused", "Connections, calls, streams and bodies refused at a limit, by limit");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (bound, count) in bounds.refused() {
            metric.encode_family(&[("bound", bound)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }
}
