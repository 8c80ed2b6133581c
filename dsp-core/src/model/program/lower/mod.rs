//! Operators of ONNX (opset 11 to 21) as views and steps.

mod convolution;
mod integers;
mod pointwise;
mod products;
mod recurrent;
mod sequence;
mod shapes;

use super::build::{Builder, Value, invalid, unsupported};
use super::pointwise::{Binary, Fold, Unary};
use super::recurrent::Cell;
use super::view::View;
use super::{Kernel, Refusal};
use crate::model::onnx::Node;

/// Operators in the forms of these versions are known.
const OPSETS: std::ops::RangeInclusive<i64> = 11..=21;

/// Names of the operators that are known.
pub const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "Div",
    "Einsum",
    "Exp",
    "Expand",
    "Flatten",
    "GRU",
    "Gather",
    "Gemm",
    "Greater",
    "Identity",
    "LSTM",
    "LeakyRelu",
    "Less",
    "Log",
    "MatMul",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "Pow",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "ScatterND",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Where",
];

impl Builder<'_> {
    /// Takes one node in.
    pub(in super::super) fn lower(&mut self, node: &Node) -> Result<(), Refusal> {
        if !OPSETS.contains(&self.opset()) {
            return unsupported(format!("operators of version {}", self.opset()));
        }
        if self.lower_integers(node)? {
            return Ok(());
        }
        match node.kind.as_str() {
            "Constant" => self.lower_constant(node),
            "Identity" | "Cast" => self.lower_cast(node),
            "Abs" => self.unary(node, Unary::Abs),
            "Neg" => self.unary(node, Unary::Neg),
            "Relu" => self.relu(node),
            "LeakyRelu" => self.unary(node, Unary::Leaky(node.float("alpha", 0.01))),
            "Sqrt" => self.unary(node, Unary::Sqrt),
            "Exp" => self.unary(node, Unary::Exp),
            "Log" => self.unary(node, Unary::Log),
            "Sigmoid" => self.unary(node, Unary::Sigmoid),
            "Tanh" => self.unary(node, Unary::Tanh),
            "Softplus" => self.unary(node, Unary::Softplus),
            "Clip" => self.clip(node),
            "Add" => self.add(node),
            "Sub" => self.binary(node, Binary::Sub),
            "Mul" => self.binary(node, Binary::Mul),
            "Div" => self.binary(node, Binary::Div),
            "Max" => self.binary(node, Binary::Max),
            "Min" => self.binary(node, Binary::Min),
            "Greater" => self.binary(node, Binary::Greater),
            "Less" => self.binary(node, Binary::Less),
            "Pow" => self.power(node),
            "Where" => self.choose(node),
            "ReduceSum" => self.reduce(node, Fold::Sum),
            "ReduceMean" => self.reduce(node, Fold::Mean),
            "ReduceMax" => self.reduce(node, Fold::Max),
            "Softmax" => self.softmax(node),
            "MatMul" => self.matmul(node),
            "Gemm" => self.gemm(node),
            "Einsum" => self.einsum(node),
            "GRU" => self.recurrent(node, Cell::Gru),
            "LSTM" => self.recurrent(node, Cell::Lstm),
            "Conv" => self.conv(node),
            "ConvTranspose" => self.conv_transpose(node),
            "BatchNormalization" => self.normalise(node),
            "Pad" => self.pad(node),
            "Gather" => self.gather(node),
            "ScatterND" => self.scatter(node),
            "PRelu" => self.binary(node, Binary::Slope),
            "Concat" => self.concat(node),
            "Slice" => self.slice(node),
            "Split" => self.split(node),
            "Transpose" => self.transpose(node),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Expand" => self.expand(node),
            _ => unsupported("no such operator here"),
        }
    }

    fn input(&self, node: &Node, index: usize) -> Result<View, Refusal> {
        match self.optional(node, index)? {
            Some(view) => Ok(view),
            None => invalid(format!("input {index} is missing")),
        }
    }

    fn optional(&self, node: &Node, index: usize) -> Result<Option<View>, Refusal> {
        node.inputs.get(index).filter(|name| !name.is_empty()).map(|name| self.view(name)).transpose()
    }

    /// Whole numbers that say how: an input or, in older operators, an attribute.
    fn numbers(&self, node: &Node, index: usize, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        if let Some(values) = node.ints(name) {
            return Ok(Some(values.to_vec()));
        }
        match node.inputs.get(index).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(input) => match self.value(input)? {
                Value::Ints(_, values) => Ok(Some(values.clone())),
                Value::Floats(_) => unsupported(format!("{name} that are not known beforehand")),
            },
        }
    }

    fn output(&mut self, node: &Node, view: View) {
        if let Some(name) = node.outputs.first() {
            self.set(name, Value::Floats(view));
        }
    }

    fn axis(rank: usize, axis: i64) -> Result<usize, Refusal> {
        let length = i64::try_from(rank).unwrap_or(i64::MAX);
        let own = if axis < 0 { axis.saturating_add(length) } else { axis };
        match usize::try_from(own) {
            Ok(own) if own < rank => Ok(own),
            _ => invalid(format!("axis {axis} of a tensor with {rank}")),
        }
    }

    /// The value of a constant that has one.
    fn scalar(&self, view: &View) -> Option<f32> {
        self.known(view).filter(|values| values.len() == 1).map(|values| values[0])
    }

    /// A copy in rows, whatever it was.
    fn moved(&mut self, view: View) -> Result<View, Refusal> {
        let out = self.fresh(&view.dims)?;
        let nest = self.nest(&[&view])?;
        self.push(Kernel::Unary(Unary::Copy, nest), &[view.buffer], out.buffer);
        Ok(out)
    }
}
