//! Which field a name in a path or a query stands for, and whether a text can be the value of a field. Separate because
//! both bindings and requests need it.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

/// The field at the end of `names`, each of which is a name in the proto or in JSON.
pub(crate) fn find(message: &MessageDescriptor, names: &[&str]) -> Option<FieldDescriptor> {
    let (first, rest) = names.split_first()?;
    let field = message.get_field_by_name(first).or_else(|| message.get_field_by_json_name(first))?;
    match field.kind() {
        _ if rest.is_empty() => Some(field),
        // In JSON, well-known types are not written as objects of their fields.
        Kind::Message(inner) if inner.full_name().starts_with("google.protobuf.") => None,
        Kind::Message(inner) if field.cardinality() != Cardinality::Repeated => find(&inner, rest),
        _ => None,
    }
}

/// Whether the value of a field can be one text.
pub(crate) fn is_text(field: &FieldDescriptor) -> bool {
    !field.is_list() && !field.is_map() && has_text(&field.kind())
}

/// Whether one text can be a value of this kind. It can for scalars, and for the well-known types that JSON writes as
/// one value.
pub(crate) fn has_text(kind: &Kind) -> bool {
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
