//! Changes that break models, at random from a seed.

use super::wire::{Kind, Message, Value};

/// Numbers that programs get wrong.
const NUMBERS: [u64; 16] =
    [0, 1, 2, 3, 7, 16, 127, 257, 65_536, 1 << 24, i32::MAX as u64, 1 << 31, 1 << 32, i64::MAX as u64, i64::MIN as u64, u64::MAX];
/// Operators, to be put in the place of others.
const OPERATORS: [&str; 34] = [
    "Add",
    "MatMul",
    "Gemm",
    "Conv",
    "ConvTranspose",
    "GRU",
    "LSTM",
    "Reshape",
    "Transpose",
    "Slice",
    "Split",
    "Concat",
    "Gather",
    "GatherND",
    "ScatterND",
    "Pad",
    "Expand",
    "Tile",
    "ReduceSum",
    "ReduceMean",
    "Softmax",
    "BatchNormalization",
    "LayerNormalization",
    "Squeeze",
    "Unsqueeze",
    "Shape",
    "ConstantOfShape",
    "Constant",
    "Loop",
    "Scan",
    "If",
    "Where",
    "Cast",
    "Range",
];
/// Changes that a file gets at the most.
const MOST_CHANGES: usize = 4;

/// A generator of numbers (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to one less than `count`; 0 for none.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.next() >> 32) as usize * count.max(1)) >> 32
    }

    /// One of some.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A changed ONNX file.
pub fn onnx(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(5) == 0 {
        return flat(bytes, random);
    }
    let Some(mut model) = Message::read(Kind::Model, bytes) else { return flat(bytes, random) };
    for _ in 0..=random.below(MOST_CHANGES) {
        change(&mut model, random);
    }
    model.write()
}

/// Changes that know nothing of the format.
pub fn flat(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(MOST_CHANGES) {
        let at = random.below(out.len());
        match random.below(5) {
            0 => out.truncate(at),
            1 if !out.is_empty() => out[at] = random.next() as u8,
            2 if !out.is_empty() => out[at] ^= 1 << random.below(8),
            3 => {
                let end = (at + random.below(64)).min(out.len());
                let part = out[at..end].to_vec();
                let to = random.below(out.len());
                out.splice(to..to, part);
            }
            _ => {
                let end = (at + random.below(64)).min(out.len());
                out.drain(at..end);
            }
        }
    }
    out
}

/// One change somewhere in the tree. Constants' messages are many: what is around them is changed as often.
fn change(model: &mut Message, random: &mut Random) {
    let count = model.count();
    let mut chosen = random.below(count);
    for _ in 0..3 {
        if model.nth(chosen).is_some_and(|message| message.kind == Kind::Tensor) {
            chosen = random.below(count);
        }
    }
    let other = random.below(count);
    let donor = model.nth(other).and_then(|message| message.fields.get(random.below(message.fields.len())).cloned());
    let Some(message) = model.nth(chosen) else { return };
    let kind = message.kind;
    if message.fields.is_empty() {
        message.fields.extend(donor);
        return;
    }
    let at = random.below(message.fields.len());
    let length = message.fields.len();
    match random.below(10) {
        0 => _ = message.fields.remove(at),
        1 => {
            let field = message.fields[at].clone();
            message.fields.insert(at, field);
        }
        2 => message.fields.swap(at, random.below(length)),
        3 => message.fields.extend(donor),
        4 if kind == Kind::Tensor => message.fields.push((1, Value::Number(*random.of(&NUMBERS)))),
        4 | 5 if kind == Kind::Node => {
            let name = random.of(&OPERATORS).as_bytes().to_vec();
            message.fields.iter_mut().filter(|(tag, _)| *tag == 4).for_each(|(_, value)| *value = Value::Bytes(name.clone()));
        }
        _ => {
            let (tag, value) = &mut message.fields[at];
            match value {
                Value::Number(number) => *number = if random.below(3) == 0 { random.next() } else { *random.of(&NUMBERS) },
                Value::Fixed(bytes) => bytes.iter_mut().for_each(|byte| *byte = random.next() as u8),
                Value::Bytes(bytes) if bytes.len() <= 256 && random.below(3) == 0 => *value = Value::Number(*random.of(&NUMBERS)),
                Value::Bytes(bytes) => *bytes = flat(bytes, random),
                Value::Message(_) => *tag = 1 + random.below(16) as u64,
            }
        }
    }
}

/// A changed manifest.
pub fn manifest(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(MOST_CHANGES) {
        if lines.is_empty() {
            break;
        }
        let (at, other) = (random.below(lines.len()), random.below(lines.len()));
        match random.below(9) {
            0 => _ = lines.remove(at),
            1 => lines.insert(other, lines[at].clone()),
            2 => lines.swap(at, other),
            3 | 4 => {
                // Each number by another.
                let number = (*random.of(&NUMBERS) as i64).to_string();
                let line = &lines[at];
                let digits = |c: char| c.is_ascii_digit();
                if let (Some(start), Some((key, _))) = (line.find(digits), line.split_once('=')) {
                    let end = line[start..].find(|c: char| !digits(c)).map_or(line.len(), |end| start + end);
                    if start > key.len() {
                        lines[at] = format!("{}{number}{}", &line[..start], &line[end..]);
                    }
                }
            }
            5 => {
                if let Some((key, _)) = lines[at].split_once('=') {
                    let values = [
                        "\"\"",
                        "\"../../../etc/passwd\"",
                        "\"model.onnx\"",
                        "[]",
                        "[[[[[[]]]]]]",
                        "-1",
                        "nan",
                        "inf",
                        "true",
                        "{}",
                        "\"x\"",
                    ];
                    lines[at] = format!("{key}= {}", random.of(&values));
                }
            }
            6 => lines[at] = String::from_utf8_lossy(&flat(lines[at].as_bytes(), random)).into_owned(),
            7 => lines.insert(
                at,
                [
                    "[[states]]",
                    "[[inputs]]",
                    "[[outputs]]",
                    "[[parts]]",
                    "[frame]",
                    "sequence = true",
                    "look_ahead = 9",
                    "channels = \"each\"",
                    "bands = [1]",
                ][random.below(9)]
                .to_owned(),
            ),
            _ => lines.truncate(at),
        }
    }
    lines.join("\n")
}
