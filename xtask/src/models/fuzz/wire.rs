//! An ONNX file as a tree of fields that can be changed and written again with right lengths: changes get
//! behind the decoder, to where shapes and operators are read.
//!
//! Encoding of protocol buffers, and the messages of onnx.proto3 that the reader knows.

/// What a message is, so that its fields are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file.
    Model,
    /// Its graph.
    Graph,
    /// An operation.
    Node,
    /// An attribute of one.
    Attribute,
    /// A constant.
    Tensor,
    /// An input or output.
    Info,
    /// Its type and what is in it.
    Type,
    /// The tensor's type.
    TensorType,
    /// Its shape.
    Shape,
    /// One dimension.
    Dimension,
    /// A set of operators.
    Opset,
}

impl Kind {
    /// What a field of this message holds, if that is a message.
    fn child(self, tag: u64) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Model, 7) => Self::Graph,
            (Self::Model, 8) => Self::Opset,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::Info,
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 6) => Self::Graph,
            (Self::Info, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Shape, 1) => Self::Dimension,
            _ => return None,
        })
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Number(u64),
    /// Four or eight bytes as they are.
    Fixed(Vec<u8>),
    /// A text, bytes or packed numbers.
    Bytes(Vec<u8>),
    /// A message.
    Message(Message),
}

/// A message: fields with their tags, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its fields.
    pub fields: Vec<(u64, Value)>,
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Message {
    /// An empty one.
    pub fn new(kind: Kind) -> Self {
        Self { kind, fields: Vec::new() }
    }

    /// Reads one. None when it is broken.
    pub fn read(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let (mut fields, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let key = varint(bytes, &mut at)?;
            let mut take = |length: usize| {
                let part = bytes.get(at..at.checked_add(length)?)?.to_vec();
                at += length;
                Some(part)
            };
            let value = match key & 7 {
                0 => Value::Number(varint(bytes, &mut at)?),
                1 => Value::Fixed(take(8)?),
                5 => Value::Fixed(take(4)?),
                2 => {
                    let length = varint(bytes, &mut at)? as usize;
                    let part = bytes.get(at..at.checked_add(length)?)?;
                    at += length;
                    match kind.child(key >> 3) {
                        Some(child) => Value::Message(Self::read(child, part)?),
                        None => Value::Bytes(part.to_vec()),
                    }
                }
                _ => return None,
            };
            fields.push((key >> 3, value));
        }
        Some(Self { kind, fields })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, value) in &self.fields {
            let wire = match value {
                Value::Number(_) => 0,
                Value::Fixed(bytes) => {
                    if bytes.len() == 8 {
                        1
                    } else {
                        5
                    }
                }
                Value::Bytes(_) | Value::Message(_) => 2,
            };
            put_varint(&mut out, tag << 3 | wire);
            match value {
                Value::Number(value) => put_varint(&mut out, *value),
                Value::Fixed(bytes) => out.extend(bytes),
                Value::Bytes(bytes) => {
                    put_varint(&mut out, bytes.len() as u64);
                    out.extend(bytes);
                }
                Value::Message(message) => {
                    let bytes = message.write();
                    put_varint(&mut out, bytes.len() as u64);
                    out.extend(bytes);
                }
            }
        }
        out
    }

    /// With a number.
    pub fn number(mut self, tag: u64, value: u64) -> Self {
        self.fields.push((tag, Value::Number(value)));
        self
    }

    /// With a text.
    pub fn text(self, tag: u64, text: &str) -> Self {
        self.bytes(tag, text.as_bytes())
    }

    /// With bytes.
    pub fn bytes(mut self, tag: u64, bytes: &[u8]) -> Self {
        self.fields.push((tag, Value::Bytes(bytes.to_vec())));
        self
    }

    /// With a message.
    pub fn message(mut self, tag: u64, message: Self) -> Self {
        self.fields.push((tag, Value::Message(message)));
        self
    }

    /// All messages in it, itself first.
    pub fn count(&self) -> usize {
        1 + self.fields.iter().map(|(_, value)| if let Value::Message(message) = value { message.count() } else { 0 }).sum::<usize>()
    }

    /// The message with this number, in the order of [`Message::count`].
    pub fn nth(&mut self, number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        let mut left = number - 1;
        for (_, value) in &mut self.fields {
            if let Value::Message(message) = value {
                let count = message.count();
                if left < count {
                    return message.nth(left);
                }
                left -= count;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::command::root;

    #[test]
    fn a_file_is_written_as_it_was_read() {
        let bytes = std::fs::read(root().join("models/denoise/model.onnx")).unwrap();
        let mut model = Message::read(Kind::Model, &bytes).unwrap();
        assert_eq!(model.write(), bytes);
        let count = model.count();
        assert!(count > 100);
        assert!(model.nth(count - 1).is_some() && model.nth(count).is_none());
    }
}
