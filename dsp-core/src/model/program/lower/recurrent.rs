//! Recurrent cells.

use super::super::build::{Builder, Value, invalid, unsupported};
use super::super::matmul::{Bias, Matmul};
use super::super::recurrent::{Cell, Recurrent};
use super::super::view::View;
use super::super::{Kernel, Refusal};
use crate::model::onnx::Node;

/// Functions of the gates by default, for one direction.
const GRU_FUNCTIONS: [&str; 2] = ["Sigmoid", "Tanh"];
const LSTM_FUNCTIONS: [&str; 3] = ["Sigmoid", "Tanh", "Tanh"];

impl Builder<'_> {
    pub(super) fn recurrent(&mut self, node: &Node, cell: Cell) -> Result<(), Refusal> {
        let (x, w, r) = (self.input(node, 0)?, self.input(node, 1)?, self.input(node, 2)?);
        let functions: &[&str] = if cell == Cell::Gru { &GRU_FUNCTIONS } else { &LSTM_FUNCTIONS };
        let usual = node.texts("activations").is_none_or(|texts| texts.chunks(functions.len()).all(|chunk| chunk == functions));
        let plain = usual
            && (cell == Cell::Lstm || node.int("linear_before_reset", 0) == 1)
            && node.int("layout", 0) == 0
            && node.int("input_forget", 0) == 0
            && ["clip", "activation_alpha", "activation_beta"].iter().all(|name| !node.has(name))
            && [4, 7].iter().all(|&index| node.inputs.get(index).is_none_or(String::is_empty));
        if !plain || x.dims.len() != 3 {
            return unsupported("a cell other than the usual (for GRU with linear_before_reset = 1)");
        }
        let directions: &[bool] = match node.text("direction", "forward") {
            "forward" => &[false],
            "reverse" => &[true],
            "bidirectional" => &[false, true],
            other => return invalid(format!("direction {other}")),
        };
        let (steps, rows, width) = (x.dims[0], x.dims[1], x.dims[2]);
        let (hidden, count) = (r.dims.get(2).copied().unwrap_or(0), directions.len());
        let wide = cell.gates() * hidden;
        if hidden == 0 || w.dims != [count, wide, width] || r.dims != [count, wide, hidden] {
            return invalid(format!("weights of {:?} and {:?} for an input of {:?}", w.dims, r.dims, x.dims));
        }
        let (Some(weights), Some(recurrent)) = (self.known(&w), self.known(&r)) else {
            return unsupported("weights that are not constant");
        };
        let bias = match self.optional(node, 3)? {
            None => vec![0.0; 2 * count * wide],
            Some(bias) => match self.known(&bias).filter(|values| values.len() == 2 * count * wide) {
                Some(values) => values,
                None => return unsupported("a bias that is not constant"),
            },
        };
        let own_state = self.is_sequence() && steps == 1;
        if own_state && directions != [false] {
            return unsupported("a sequence from its end");
        }
        let states = [5, 6].map(|index| {
            let first = self.first(node, index, [count, rows, hidden])?;
            if !own_state {
                return Ok(first);
            }
            match self.known(&first) {
                Some(values) if values.iter().all(|&value| value == 0.0) => self.kept_state(rows, hidden),
                _ => unsupported("a first state of a sequence that is not zero"),
            }
        });
        let [first, memory] = states;
        let (first, memory) = (first?, memory?);
        let x = self.dense(x)?;
        let Some(x) = x.reshaped(vec![steps * rows, width]) else { return invalid("an input of another size") };
        let mut walks = Vec::new();
        for (d, &backwards) in directions.iter().enumerate() {
            let turn = |values: &[f32], columns: usize| -> Vec<f32> {
                let own = &values[d * wide * columns..][..wide * columns];
                (0..columns * wide).map(|i| own[i % wide * columns + i / wide]).collect()
            };
            let w = self.keep(vec![width, wide], turn(&weights, width));
            let r = self.keep(vec![hidden, wide], turn(&recurrent, hidden));
            let part = |at: usize| bias[(2 * d + at) * wide..][..wide].to_vec();
            let (own, other) = (self.keep(vec![wide], part(0)), self.keep(vec![wide], part(1)));
            let input = self.multiply(x.clone(), w)?;
            let input = self.plus(input, own)?;
            let state = rows * hidden;
            let product = Matmul {
                m: rows,
                k: hidden,
                n: wide,
                pairs: vec![[0, 0]],
                a_rows: hidden,
                b_rows: wide,
                bias: Bias::Columns(0),
                other: None,
                rectify: false,
            };
            let offsets = [input.offset, first.offset + d * state, memory.offset + d * state];
            let walk = Recurrent { cell, steps, backwards, rows, hidden, product, offsets };
            let out = self.fresh(&[walk.size()])?;
            self.push(Kernel::Recurrent(walk), &[input.buffer, r.buffer, other.buffer, first.buffer, memory.buffer], out.buffer);
            let at = |offset: usize, dims: &[usize]| View { offset, ..View::whole(out.buffer, dims.to_vec()) };
            let end = if backwards { 0 } else { (steps - 1) * state };
            if own_state {
                let last = at(end, &[1, rows, hidden]);
                self.keep_states(cell, [&first, &memory], [&last, &at(steps * state, &[1, rows, hidden])])?;
            }
            walks.push([at(0, &[steps, 1, rows, hidden]), at(end, &[1, rows, hidden]), at(steps * state, &[1, rows, hidden])]);
        }
        for (index, name) in node.outputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let parts: Vec<View> = walks.iter().map(|walk| walk[index.min(2)].clone()).collect();
            let whole = match &parts[..] {
                [only] => only.clone(),
                parts => self.join_parts(parts, usize::from(index == 0))?,
            };
            self.set(name, Value::Floats(whole));
        }
        Ok(())
    }

    /// First states `[direction][row][unit]`: given, or zero.
    fn first(&mut self, node: &Node, index: usize, dims: [usize; 3]) -> Result<View, Refusal> {
        match self.optional(node, index)? {
            None => Ok(self.keep(dims.to_vec(), vec![0.0; dims.iter().product()])),
            Some(view) if view.dims == dims => self.dense(view),
            Some(view) => invalid(format!("a state of {:?}, {dims:?} is needed", view.dims)),
        }
    }
}
