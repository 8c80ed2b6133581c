//! Recurrent cells that walk over a sequence inside one step of the model.

use super::lanes::Lanes;
use super::math::{sigmoid, tanh};
use super::matmul::Matmul;
use super::pointwise::gates;

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gated recurrent unit with its reset gate behind the product.
    Gru,
    /// Long short-term memory without peepholes.
    Lstm,
}

impl Cell {
    /// Gates of a unit.
    pub const fn gates(self) -> usize {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

/// A walk in one direction. Operands: products of the input `[step][row][gate][unit]`, weights of the
/// state `[unit][gate][unit]`, their bias, first state, first memory (LSTM). The result holds the states
/// `[step][row][unit]`, the last memory `[row][unit]`, and room for products `[row][gate][unit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrent {
    /// Which cell.
    pub cell: Cell,
    /// Length of the sequence.
    pub steps: usize,
    /// From the last step to the first.
    pub backwards: bool,
    /// Rows that go side by side.
    pub rows: usize,
    /// Units.
    pub hidden: usize,
    /// The state's product; its operands are state, weights and bias.
    pub product: Matmul,
    /// Where the input's products, the first state and the first memory begin.
    pub offsets: [usize; 3],
}

impl Recurrent {
    /// Values of a state.
    pub const fn state(&self) -> usize {
        self.rows * self.hidden
    }

    /// Values of the result.
    pub const fn size(&self) -> usize {
        self.state() * (self.steps + 1 + self.cell.gates())
    }

    /// Runs it.
    ///
    /// # Safety
    /// The processor must have the instructions of `L`.
    #[inline(always)]
    pub unsafe fn run<const FUSED: bool, L: Lanes>(&self, [input, weights, bias, first, memory]: [&[f32]; 5], out: &mut [f32]) {
        let state = self.state();
        let wide = state * self.cell.gates();
        let (states, rest) = out.split_at_mut(state * self.steps);
        let (own, products) = rest.split_at_mut(state);
        let products = &mut products[..wide];
        if self.cell == Cell::Lstm {
            own.copy_from_slice(&memory[self.offsets[2]..][..state]);
        }
        for count in 0..self.steps {
            let step = if self.backwards { self.steps - 1 - count } else { count };
            let input = &input[self.offsets[0] + step * wide..][..wide];
            // The state before is a neighbour of the one that is written.
            let (last, now) = if count == 0 {
                (&first[self.offsets[1]..][..state], &mut states[step * state..][..state])
            } else if self.backwards {
                let (now, last) = states[step * state..].split_at_mut(state);
                (&last[..state], now)
            } else {
                let (last, now) = states[(step - 1) * state..].split_at_mut(state);
                (&*last, &mut now[..state])
            };
            // SAFETY: as this function.
            unsafe { self.product.run::<L>([last, weights, bias, &[]], products) };
            match self.cell {
                Cell::Gru => gates::<FUSED>([input, products, last], self.hidden, now),
                Cell::Lstm => remember::<FUSED>(input, products, self.hidden, own, now),
            }
        }
    }
}

/// Gates of an LSTM in ONNX's order (input, output, forget, cell).
#[inline(always)]
fn remember<const FUSED: bool>(input: &[f32], products: &[f32], hidden: usize, memory: &mut [f32], out: &mut [f32]) {
    let rows = input.chunks_exact(4 * hidden).zip(products.chunks_exact(4 * hidden));
    for ((x, h), (memory, out)) in rows.zip(memory.chunks_exact_mut(hidden).zip(out.chunks_exact_mut(hidden))) {
        let [xi, xo, xf, xc] = [0, 1, 2, 3].map(|gate| &x[gate * hidden..][..hidden]);
        let [hi, ho, hf, hc] = [0, 1, 2, 3].map(|gate| &h[gate * hidden..][..hidden]);
        for i in 0..hidden {
            let kept = sigmoid::<FUSED>(xf[i] + hf[i]) * memory[i];
            memory[i] = kept + sigmoid::<FUSED>(xi[i] + hi[i]) * tanh::<FUSED>(xc[i] + hc[i]);
            out[i] = sigmoid::<FUSED>(xo[i] + ho[i]) * tanh::<FUSED>(memory[i]);
        }
    }
}
