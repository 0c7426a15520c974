//! The wire format of protobuf: the fields of a message, borrowed from its bytes, and a message written field by field.
//! Separate because it knows nothing of the messages.

use prost::{decode_length_delimiter, encode_length_delimiter, length_delimiter_len};

/// The fields of a message: the number of each, and its bytes unless its value is a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireFields<'a>(pub &'a [u8]);

/// The bytes are not those of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no message")]
pub(super) struct MalformedMessage;

impl<'a> Iterator for WireFields<'a> {
    type Item = Result<(usize, Option<&'a [u8]>), MalformedMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.field())
    }
}

impl<'a> WireFields<'a> {
    fn field(&mut self) -> Result<(usize, Option<&'a [u8]>), MalformedMessage> {
        let key = self.number()?;
        let bytes = match key & 7 {
            0 => self.number().map(|_| None)?,
            1 => self.take(8).map(|_| None)?,
            2 => {
                let length = self.number()?;
                Some(self.take(length)?)
            }
            5 => self.take(4).map(|_| None)?,
            // Groups, which no message of today has.
            _ => return Err(MalformedMessage),
        };
        Ok((key >> 3, bytes))
    }

    fn number(&mut self) -> Result<usize, MalformedMessage> {
        decode_length_delimiter(&mut self.0).map_err(|_| MalformedMessage)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], MalformedMessage> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(MalformedMessage)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Appends a field that is a message. `write` appends the fields of that message.
pub(super) fn put_message(out: &mut Vec<u8>, number: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    write(out);
    // The length stands before the message and is known after it, so the message is moved by a few bytes.
    let mut prefix = Vec::with_capacity(4);
    put_prefix(&mut prefix, number, out.len() - begin);
    out.splice(begin..begin, prefix);
}

/// Appends a field that is a text.
pub(super) fn put_text(out: &mut Vec<u8>, number: u8, text: &str) {
    put_prefix(out, number, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends what stands before the bytes of a field.
pub(super) fn put_prefix(out: &mut Vec<u8>, number: u8, length: usize) {
    out.push(number << 3 | 2);
    // A vector has room for any number.
    let _ = encode_length_delimiter(length, out);
}

/// The bytes that a field of this length takes with its prefix.
pub(super) fn field_len(length: usize) -> usize {
    1 + length_delimiter_len(length) + length
}

/// Appends a field that is a number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u8, value: u16) {
    out.push(number << 3);
    let _ = encode_length_delimiter(value.into(), out);
}

#[cfg(test)]
mod tests {
    use super::{MalformedMessage, WireFields, put_message, put_number, put_text};

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 300, 20_000] {
            let text = "x".repeat(length);
            let mut message = Vec::new();
            put_number(&mut message, 1, 401);
            put_message(&mut message, 2, |inner| put_text(inner, 3, &text));
            let fields: Vec<_> = WireFields(&message).collect::<Result<_, _>>().unwrap();
            assert_eq!((fields.len(), fields[0]), (2, (1, None)));
            let inner: Vec<_> = WireFields(fields[1].1.unwrap()).collect::<Result<_, _>>().unwrap();
            assert_eq!((fields[1].0, inner), (2, vec![(3, Some(text.as_bytes()))]), "{length}");
        }
    }

    #[test]
    fn every_kind_of_field_is_read_and_what_is_cut_off_is_no_message() {
        let message = [0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, b'a', b'b', 0x25, 1, 2, 3, 4];
        let fields: Vec<_> = WireFields(&message).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields, [(1, None), (2, None), (3, Some(&b"ab"[..])), (4, None)]);
        for (name, bytes) in [
            ("a cut text", &message[..15]),
            ("a cut number", &message[..2]),
            ("a cut double", &message[..8]),
            ("a group", &[0x0b, 0x0c]),
            ("a length beyond the end", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            ("a number without an end", &[0xff; 11]),
        ] {
            assert_eq!(WireFields(bytes).collect::<Result<Vec<_>, _>>(), Err(MalformedMessage), "{name}");
        }
    }
}
