//! Our own runtime for small graphs: planned once, run without an allocation.
//!
//! A graph of one frame has few values and many operations, so what costs is not arithmetic but what
//! stands around it, most of all when caches are cold because a frame comes every 10 ms. Here all
//! shapes, places and strides are known when the model is loaded. Slices, transposes and reshapes move
//! nothing; bias, sums and rectifiers run in the matrix product's registers; results share buffers
//! once they are used up.

mod build;
mod lanes;
mod lower;
mod math;
mod matmul;
mod pointwise;
mod recurrent;
mod view;

#[cfg(test)]
mod tests;

/// Names of ONNX's operators that this runtime has.
pub fn operators() -> &'static [&'static str] {
    lower::OPERATORS
}

use super::onnx::Graph;
use build::Builder;
use lanes::{Lanes, Plain};
use matmul::Matmul;
use pointwise::{Binary, Reduce, Unary};
use recurrent::Recurrent;
use std::ops::Range;
use view::{Nest, View};

/// Why a graph does not become a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It uses what only a general runtime has.
    Unsupported(String),
    /// It is wrong.
    Invalid(String),
}

/// Most operands of a step.
const OPERANDS: usize = 5;

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
enum Kernel {
    Unary(Unary, Nest<1>),
    Binary(Binary, Nest<2>),
    Select(Nest<3>),
    Matmul(Matmul),
    Reduce(Reduce),
    Place(Nest<2>),
    Softmax(usize),
    Recurrent(Recurrent),
    /// The whole buffer.
    Fill(f32),
    /// So many values at a time to these places.
    Scatter(usize, Vec<usize>),
    /// In each of so many rows of the output all values move to the front, and from this place on so many
    /// of the input follow them.
    Shift(usize, usize, usize),
}

/// An operation on buffers.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    kernel: Kernel,
    /// Buffers that are read; the first one again where there are fewer.
    operands: [usize; OPERANDS],
    /// Buffer that is written.
    output: usize,
}

/// Products that a matrix product makes in the time of a value of any other operation, about.
const PRODUCTS_A_VALUE: usize = 6;

impl Kernel {
    /// What it costs beside the others, about, in values of `size` in the output.
    fn cost(&self, size: usize) -> usize {
        let product = |matmul: &Matmul| matmul.m * matmul.k * matmul.n * matmul.pairs.len() / PRODUCTS_A_VALUE;
        size + match self {
            Self::Matmul(matmul) => product(matmul),
            Self::Recurrent(recurrent) => recurrent.steps * product(&recurrent.product),
            _ => 0,
        }
    }

    /// Runs it.
    ///
    /// # Safety
    /// The processor must have the instructions of `L`.
    #[inline(always)]
    unsafe fn run<const FUSED: bool, L: Lanes>(&self, operands: [&[f32]; OPERANDS], out: &mut [f32]) {
        let [a, b, c, d, _] = operands;
        match self {
            Self::Unary(f, nest) => f.run::<FUSED>(nest, a, out),
            Self::Binary(f, nest) => f.run(nest, [a, b], out),
            Self::Select(nest) => pointwise::select(nest, [a, b, c], out),
            // SAFETY: as this function.
            Self::Matmul(matmul) => unsafe { matmul.run::<L>([a, b, c, d], out) },
            Self::Reduce(reduce) => reduce.run(a, out),
            Self::Place(nest) => pointwise::place(nest, a, out),
            Self::Softmax(n) => pointwise::softmax::<FUSED>(a, *n, out),
            // SAFETY: as this function.
            Self::Recurrent(recurrent) => unsafe { recurrent.run::<FUSED, L>(operands, out) },
            Self::Fill(value) => out.fill(*value),
            Self::Scatter(count, places) => {
                for (values, &place) in a.chunks_exact(*count).zip(places) {
                    out[place..place + count].copy_from_slice(values);
                }
            }
            Self::Shift(rows, offset, count) => {
                let length = out.len() / rows;
                for (row, values) in out.chunks_exact_mut(length).zip(a[*offset..].chunks_exact(*count)) {
                    row.copy_within(*count.., 0);
                    row[length - count..].copy_from_slice(values);
                }
            }
        }
    }
}

/// Which instructions the steps are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// What every processor of the target has.
    Base,
    /// AVX2 and fused products.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// True where the target itself promises fused products.
const BASE_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        return Level::Avx2;
    }
    Level::Base
}

/// A planned graph. Shared by all streams through it.
#[derive(Clone, Debug)]
pub struct Program {
    /// Buffers that do not change.
    constants: Vec<Box<[f32]>>,
    /// Sizes of the others, whose numbers follow.
    sizes: Vec<usize>,
    steps: Vec<Step>,
    /// Whole buffers, in the graph's order.
    inputs: Vec<usize>,
    /// Whole buffers that keep their values from run to run.
    kept: Vec<usize>,
    /// Row by row, in the graph's order.
    outputs: Vec<View>,
    /// Share of the work that is done after each step, about.
    shares: Vec<f32>,
    level: Level,
}

/// The values of one stream.
#[derive(Clone, Debug)]
pub struct Memory {
    buffers: Vec<Box<[f32]>>,
}

impl Program {
    /// Plans `graph`.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn new(graph: &Graph) -> Result<Self, Refusal> {
        Builder::new(graph, false)?.finish()
    }

    /// Plans a graph over a sequence to run step by step, for a length of 1. What it keeps of the past is
    /// in the stream's memory.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn stepwise(graph: &Graph) -> Result<Self, Refusal> {
        Builder::new(graph, true)?.finish()
    }

    /// Forgets the past that a graph over a sequence keeps.
    pub fn forget(&self, memory: &mut Memory) {
        for &number in &self.kept {
            memory.buffers[number - self.constants.len()].fill(0.0);
        }
    }

    /// Number of steps.
    #[cfg(test)]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Memory for a stream, all zero.
    pub fn memory(&self) -> Memory {
        Memory { buffers: self.sizes.iter().map(|&size| vec![0.0; size].into_boxed_slice()).collect() }
    }

    /// The values of the input with this number.
    pub fn input<'a>(&self, memory: &'a mut Memory, index: usize) -> &'a mut [f32] {
        &mut memory.buffers[self.inputs[index] - self.constants.len()]
    }

    /// The values of the output with this number, after [`Program::run`].
    pub fn output<'a>(&'a self, memory: &'a Memory, index: usize) -> &'a [f32] {
        let view = &self.outputs[index];
        &self.buffer(memory, view.buffer)[view.offset..][..view.size()]
    }

    /// The shape of the output with this number.
    pub fn output_shape(&self, index: usize) -> &[usize] {
        &self.outputs[index].dims
    }

    /// Copies the output `from` into the input `to`, which is as large.
    pub fn carry(&self, memory: &mut Memory, from: usize, to: usize) {
        let (view, to) = (&self.outputs[from], self.inputs[to] - self.constants.len());
        let mut target = std::mem::take(&mut memory.buffers[to]);
        target.copy_from_slice(&self.buffer(memory, view.buffer)[view.offset..][..view.size()]);
        memory.buffers[to] = target;
    }

    /// Computes the outputs from the inputs.
    pub fn run(&self, memory: &mut Memory) {
        self.run_range(memory, 0..self.steps.len());
    }

    /// Computes the outputs in parts: runs steps from `at` on until this share of the work is done, 0 to 1,
    /// and moves `at` on. The outputs are there at a share of 1, and are those of [`Program::run`].
    pub fn run_until(&self, memory: &mut Memory, at: &mut usize, share: f32) {
        let end = if share < 1.0 { self.shares.partition_point(|&done| done <= share) } else { self.steps.len() };
        if end > *at {
            self.run_range(memory, *at..end);
            *at = end;
        }
    }

    fn run_range(&self, memory: &mut Memory, range: Range<usize>) {
        match self.level {
            // SAFETY: `level` has asked the processor for both features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { self.run_avx2(memory, range) },
            // SAFETY: every processor of the target has these.
            Level::Base => unsafe { self.run_steps::<BASE_FUSED, Plain>(memory, range) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, memory: &mut Memory, range: Range<usize>) {
        // SAFETY: the caller has asked the processor for both.
        unsafe { self.run_steps::<true, lanes::Avx>(memory, range) }
    }

    #[inline(always)]
    fn buffer<'a>(&'a self, memory: &'a Memory, number: usize) -> &'a [f32] {
        match number.checked_sub(self.constants.len()) {
            Some(own) => &memory.buffers[own],
            None => &self.constants[number],
        }
    }

    /// # Safety
    /// The processor must have the instructions of `L`.
    #[inline(always)]
    unsafe fn run_steps<const FUSED: bool, L: Lanes>(&self, memory: &mut Memory, range: Range<usize>) {
        for step in &self.steps[range] {
            let output = step.output - self.constants.len();
            // Taken out while it is written: what a step reads is never what it writes.
            let mut out = std::mem::take(&mut memory.buffers[output]);
            let operands = step.operands.map(|number| self.buffer(memory, number));
            // SAFETY: as this function.
            unsafe { step.kernel.run::<FUSED, L>(operands, &mut out) };
            memory.buffers[output] = out;
        }
    }
}
