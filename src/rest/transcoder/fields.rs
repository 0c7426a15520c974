//! Which field a text in a path or a query is for, and whether it can be one's value. Separate because the rules ask it when they
//! are read, and every request again.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

/// The field that a path of names leads to, each by its name in the proto or in JSON.
pub(super) fn find(message: &MessageDescriptor, names: &[&str]) -> Option<FieldDescriptor> {
    let (first, rest) = names.split_first()?;
    let field = message.get_field_by_name(first).or_else(|| message.get_field_by_json_name(first))?;
    match field.kind() {
        _ if rest.is_empty() => Some(field),
        // What JSON writes in a way of its own has no fields there.
        Kind::Message(inner) if inner.full_name().starts_with("google.protobuf.") => None,
        Kind::Message(inner) if field.cardinality() != Cardinality::Repeated => find(&inner, rest),
        _ => None,
    }
}

/// Whether one text can be its value.
pub(super) fn is_text(field: &FieldDescriptor) -> bool {
    !field.is_list() && !field.is_map() && has_text(&field.kind())
}

/// Whether a value of this kind is written as one text: scalars, and messages that JSON writes so.
pub(super) fn has_text(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => matches!(
            message.full_name(),
            "google.protobuf.Timestamp"
                | "google.protobuf.Duration"
                | "google.protobuf.FieldMask"
                | "google.protobuf.BoolValue"
                | "google.protobuf.BytesValue"
                | "google.protobuf.DoubleValue"
                | "google.protobuf.FloatValue"
                | "google.protobuf.Int32Value"
                | "google.protobuf.Int64Value"
                | "google.protobuf.StringValue"
                | "google.protobuf.UInt32Value"
                | "google.protobuf.UInt64Value"
        ),
        _ => true,
    }
}
