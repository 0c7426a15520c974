//! The metrics of the password lane: its queue, its threads, its times, and what was refused or dropped.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::hashing::{Dropped, Histogram, PasswordHasher, RefusalCause};

#[derive(Debug)]
pub(super) struct OfHashing(pub PasswordHasher);

impl Collector for OfHashing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        for (name, help, unit, value) in [
            ("hash_waiting", "Passwords that wait for a hashing thread", None, stats.waiting),
            ("hash_running", "Passwords that are being hashed", None, stats.running),
            ("hash_threads", "Threads that hash passwords", None, stats.threads),
            ("hash_capacity", "The largest number of passwords that may wait", None, stats.capacity),
            ("hash_memory", "Memory of the hashing threads", Some(&Unit::Bytes), stats.memory),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
        }
        encoder
            .encode_descriptor("hash_kernel", "The kernel that hashes passwords, in a label", None, MetricType::Gauge)?
            .encode_family(&[("kernel", self.0.kernel().name())])?
            .encode_gauge(&1_i64)?;
        for (name, help, times) in [
            ("hash_wait", "Time that a password waited before it was hashed", &stats.wait),
            ("hash_run", "Time that the hashing of a password took, without the wait", &stats.run),
        ] {
            let counts = Histogram::BOUNDS.into_iter().chain([f64::INFINITY]).zip(times.counts);
            encoder
                .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?
                .encode_histogram::<NoLabelSet>(times.sum, times.count(), &counts.collect::<Vec<_>>(), None)?;
        }
        let refused = RefusalCause::ALL.map(|(cause, name)| (name, stats.refused[cause as usize]));
        let dropped = Dropped::ALL.map(|(cause, name)| (name, stats.dropped[cause as usize]));
        for (name, help, counts) in [
            ("hash_refused", "Passwords that were refused and not hashed, by cause", &refused[..]),
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
