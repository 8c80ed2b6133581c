//! Whole numbers that say how: shapes and what exporters compute of them, all known while planning.

use super::super::Refusal;
use super::super::build::{Builder, Value, invalid, unsupported};
use super::super::view::{View, dense, size};
use crate::model::onnx::{Constant, Node};

/// Most whole numbers in one tensor.
const MAX_INTS: usize = 1 << 16;

impl Builder<'_> {
    /// Takes a node in whose inputs are all whole numbers, or that asks for a shape; false when it is another
    /// one.
    pub(super) fn lower_integers(&mut self, node: &Node) -> Result<bool, Refusal> {
        let Some(first) = node.inputs.first() else { return Ok(false) };
        let out = match (node.kind.as_str(), self.value(first)?.clone()) {
            ("Shape", value) => {
                if node.has("start") || node.has("end") {
                    return unsupported("a part of a shape");
                }
                let dims = match value {
                    Value::Floats(view) => view.dims,
                    Value::Ints(dims, _) => dims,
                };
                let values = dims.iter().map(|&n| i64::try_from(n).unwrap_or(i64::MAX)).collect();
                Value::Ints(vec![dims.len()], values)
            }
            ("ConstantOfShape", Value::Ints(_, asked)) => self.filled(node, &asked)?,
            ("Concat", Value::Ints(..)) => {
                let mut values = Vec::new();
                for name in &node.inputs {
                    match self.value(name)? {
                        Value::Ints(dims, part) if dims.len() == 1 => values.extend_from_slice(part),
                        _ => return unsupported("whole numbers joined with something else"),
                    }
                }
                Value::Ints(vec![values.len()], values)
            }
            ("Cast", Value::Ints(dims, values)) => match node.int("to", 0) {
                FLOAT => {
                    let floats = values.iter().map(|&value| value as f32).collect();
                    self.constant(&Constant::Floats(dims, floats))
                }
                INT32 | INT64 => Value::Ints(dims, values),
                other => return unsupported(format!("a cast to type {other}")),
            },
            ("Identity", value @ Value::Ints(..)) => value,
            ("Gather", Value::Ints(dims, values)) => {
                let Some(Value::Ints(shape, places)) = node.inputs.get(1).map(|name| self.value(name)).transpose()?.cloned() else {
                    return unsupported("places that are not constant");
                };
                if dims.len() != 1 {
                    return unsupported(format!("places in whole numbers of {dims:?}"));
                }
                let picked = places.iter().map(|&place| Ok(values[Self::axis(values.len(), place)?])).collect::<Result<_, Refusal>>()?;
                Value::Ints(shape, picked)
            }
            ("Slice", Value::Ints(dims, values)) if self.numbers(node, 4, "steps")?.is_some_and(|steps| steps == [-1]) => {
                self.reversed(node, dims, &values)?
            }
            ("Slice" | "Transpose" | "Reshape" | "Squeeze" | "Unsqueeze", Value::Ints(dims, values)) => {
                let whole = View::whole(0, dims);
                let view = match node.kind.as_str() {
                    "Slice" => self.sliced(node, whole)?,
                    "Transpose" => Self::transposed(node, whole)?,
                    _ => {
                        let dims = self.reshaped_dims(node, &whole.dims)?;
                        if size(&dims) != values.len() {
                            return invalid(format!("a shape of {dims:?} for {:?}", whole.dims));
                        }
                        View::whole(0, dims)
                    }
                };
                let rows = dense(&view.dims);
                let place = |at: usize| (0..rows.len()).map(|d| at / rows[d] % view.dims[d] * view.strides[d]).sum::<usize>();
                let moved = (0..view.size()).map(|at| values[view.offset + place(at)]).collect();
                Value::Ints(view.dims.clone(), moved)
            }
            _ => return Ok(false),
        };
        if let Value::Ints(_, values) = &out
            && values.len() > MAX_INTS
        {
            return unsupported(format!("{} whole numbers in one tensor", values.len()));
        }
        if let Some(name) = node.outputs.first() {
            self.set(name, out);
        }
        Ok(true)
    }

    /// A tensor of one value.
    fn filled(&mut self, node: &Node, asked: &[i64]) -> Result<Value, Refusal> {
        let dims: Option<Vec<usize>> = asked.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect();
        let count = dims.as_ref().and_then(|dims| dims.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)));
        let (Some(dims), Some(count)) = (dims, count.filter(|&count| count <= MAX_INTS)) else {
            return unsupported(format!("a constant with a shape of {asked:?}"));
        };
        match node.tensor("value") {
            None => Ok(self.constant(&Constant::Floats(dims, vec![0.0; count]))),
            Some(Constant::Floats(_, value)) if value.len() == 1 => {
                let values = vec![value[0]; count];
                Ok(self.constant(&Constant::Floats(dims, values)))
            }
            Some(Constant::Ints(_, value)) if value.len() == 1 => Ok(Value::Ints(dims, vec![value[0]; count])),
            Some(other) => invalid(format!("a value of {other:?}")),
        }
    }

    /// All rows from the last to the first.
    fn reversed(&self, node: &Node, dims: Vec<usize>, values: &[i64]) -> Result<Value, Refusal> {
        let [starts, ends, axes] = [(1, "starts"), (2, "ends"), (3, "axes")].map(|(index, name)| self.numbers(node, index, name));
        let (starts, ends, axes) = (starts?.unwrap_or_default(), ends?.unwrap_or_default(), axes?.unwrap_or_else(|| vec![0]));
        let rows = dims.first().copied().unwrap_or(0);
        let length = i64::try_from(rows).unwrap_or(i64::MAX);
        let whole =
            starts.len() == 1 && (starts[0] == -1 || starts[0] >= length - 1) && ends.len() == 1 && ends[0] < -length && axes == [0];
        if !whole || rows == 0 {
            return unsupported("a part of whole numbers backwards");
        }
        let turned = values.chunks(values.len() / rows).rev().flatten().copied().collect();
        Ok(Value::Ints(dims, turned))
    }
}

/// `TensorProto.DataType`.
const FLOAT: i64 = 1;
const INT32: i64 = 6;
const INT64: i64 = 7;
