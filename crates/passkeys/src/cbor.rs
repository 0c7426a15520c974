//! A reader of CBOR (RFC 8949) in the CTAP2 canonical form: definite lengths, shortest heads, no tags, no floats, no
//! key twice, and at most four levels. Separate because it is the only reader here of a binary form that nests.
//!
//! The order of keys is not judged. CTAP2 fixes it, some clients write attestation objects in another, and no two
//! maps with the same entries differ in meaning.

/// The levels of maps and arrays that CTAP2 allows.
const DEEPEST: usize = 4;

/// Far above what attestation objects have: about 20, of which most are certificates.
const MOST_VALUES: usize = 256;

/// One data item, which borrows from the input.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Value<'a>>),
    Map(Map<'a>),
    /// One of false, true, null and undefined.
    Simple(u8),
}

/// The entries of a map, whose keys differ.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Map<'a>(Vec<(Value<'a>, Value<'a>)>);

impl<'a> Map<'a> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &Value<'_>) -> Option<&Value<'a>> {
        self.0.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The value of a key that is a text, as in attestation objects.
    pub(crate) fn named(&self, name: &str) -> Option<&Value<'a>> {
        self.get(&Value::Text(name))
    }

    /// The value of a key that is a number, as in COSE keys.
    pub(crate) fn numbered(&self, number: i64) -> Option<&Value<'a>> {
        self.get(&Value::Integer(number))
    }
}

impl<'a> Value<'a> {
    pub(crate) fn integer(&self) -> Option<i64> {
        if let Self::Integer(integer) = self { Some(*integer) } else { None }
    }

    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn map(&self) -> Option<&Map<'a>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }
}

/// Reads one data item. Returns it with the bytes that follow it, or `None` if the item is not canonical.
pub(crate) fn first(input: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut reader = Reader { rest: input, values: MOST_VALUES };
    let value = reader.value(0)?;
    Some((value, reader.rest))
}

/// Reads a map that is the whole input.
pub(crate) fn whole_map(input: &[u8]) -> Option<Map<'_>> {
    match first(input)? {
        (Value::Map(map), []) => Some(map),
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many more values may follow, so that an input of many small ones costs little.
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.values = self.values.checked_sub(1)?;
        let (major, argument) = self.head()?;
        match major {
            0 => i64::try_from(argument).ok().map(Value::Integer),
            // The number is -1 - argument, which is the complement.
            1 => i64::try_from(argument).ok().map(|argument| Value::Integer(!argument)),
            2 => self.take(argument).map(Value::Bytes),
            3 => self.take(argument).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Value::Text),
            4 if depth < DEEPEST => self.array(argument, depth + 1),
            5 if depth < DEEPEST => self.map(argument, depth + 1),
            7 => (20..=23).contains(&argument).then_some(Value::Simple(argument as u8)),
            _ => None,
        }
    }

    /// The memory grows with the input, and not with the length that the input claims.
    fn array(&mut self, length: u64, depth: usize) -> Option<Value<'a>> {
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(depth)?);
        }
        Some(Value::Array(values))
    }

    fn map(&mut self, length: u64, depth: usize) -> Option<Value<'a>> {
        let mut map = Map::default();
        for _ in 0..length {
            let (key, value) = (self.value(depth)?, self.value(depth)?);
            if map.get(&key).is_some() {
                return None;
            }
            map.0.push((key, value));
        }
        Some(Value::Map(map))
    }

    /// The major type and its argument, in the shortest form.
    fn head(&mut self) -> Option<(u8, u64)> {
        let [head] = self.fixed()?;
        let (argument, least) = match head & 0x1f {
            argument @ 0..24 => (u64::from(argument), 0),
            24 => (u64::from(u8::from_be_bytes(self.fixed()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.fixed()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.fixed()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.fixed()?), 1 << 32),
            _ => return None,
        };
        (argument >= least).then_some((head >> 5, argument))
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
