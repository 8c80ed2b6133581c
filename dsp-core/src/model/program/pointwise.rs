//! Operations value by value, copies and sums over dimensions, on tensors with strides.

use super::math::{exp, sigmoid, tanh};
use super::view::{LOOPS, Nest};

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// The value itself.
    Copy,
    /// Absolute value.
    Abs,
    /// Negative.
    Neg,
    /// Rectifier.
    Relu,
    /// Rectifier with this slope under 0.
    Leaky(f32),
    /// Square root.
    Sqrt,
    /// `e^x`, held finite.
    Exp,
    /// Natural logarithm.
    Log,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `ln(1 + e^x)`.
    Softplus,
    /// Held between two values.
    Clip(f32, f32),
    /// To this power.
    Power(f32),
    /// To the power of two.
    Square,
}

/// A function of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
    /// The greater.
    Max,
    /// The lesser.
    Min,
    /// The first to the power of the second.
    Power,
    /// The first, times the second where negative.
    Slope,
    /// 1 where the first is greater, else 0.
    Greater,
    /// 1 where the first is less, else 0.
    Less,
}

#[inline(always)]
fn map(nest: &Nest<1>, input: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    let (n, stride) = (nest.dims[LOOPS - 1], nest.strides[0][LOOPS - 1]);
    for (row, [at]) in nest.rows() {
        let out = &mut out[row * n..][..n];
        if stride == 1 {
            out.iter_mut().zip(&input[at..at + n]).for_each(|(o, &x)| *o = f(x));
        } else {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = f(input[at + i * stride]));
        }
    }
}

impl Unary {
    /// Runs it; the result lies row by row.
    #[inline(always)]
    pub fn run<const FUSED: bool>(self, nest: &Nest<1>, input: &[f32], out: &mut [f32]) {
        match self {
            Self::Copy => map(nest, input, out, |x| x),
            Self::Abs => map(nest, input, out, f32::abs),
            Self::Neg => map(nest, input, out, |x| -x),
            Self::Relu => map(nest, input, out, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Leaky(slope) => map(nest, input, out, |x| if x < 0.0 { slope * x } else { x }),
            Self::Sqrt => map(nest, input, out, f32::sqrt),
            Self::Exp => map(nest, input, out, exp::<FUSED>),
            Self::Log => map(nest, input, out, f32::ln),
            Self::Sigmoid => map(nest, input, out, sigmoid::<FUSED>),
            Self::Tanh => map(nest, input, out, tanh::<FUSED>),
            Self::Softplus => map(nest, input, out, |x| if x > 20.0 { x } else { x.exp().ln_1p() }),
            Self::Clip(low, high) => map(nest, input, out, |x| {
                if x < low {
                    low
                } else if x > high {
                    high
                } else {
                    x
                }
            }),
            Self::Square => map(nest, input, out, |x| x * x),
            Self::Power(exponent) => map(nest, input, out, |x| x.powf(exponent)),
        }
    }
}

#[inline(always)]
fn zip(nest: &Nest<2>, [a, b]: [&[f32]; 2], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    let n = nest.dims[LOOPS - 1];
    let steps = [nest.strides[0][LOOPS - 1], nest.strides[1][LOOPS - 1]];
    for (row, [i, j]) in nest.rows() {
        let out = &mut out[row * n..][..n];
        match steps {
            [1, 1] => out.iter_mut().zip(&a[i..i + n]).zip(&b[j..j + n]).for_each(|((o, &x), &y)| *o = f(x, y)),
            [1, 0] => {
                let y = b[j];
                out.iter_mut().zip(&a[i..i + n]).for_each(|(o, &x)| *o = f(x, y));
            }
            [0, 1] => {
                let x = a[i];
                out.iter_mut().zip(&b[j..j + n]).for_each(|(o, &y)| *o = f(x, y));
            }
            [s, t] => out.iter_mut().enumerate().for_each(|(k, o)| *o = f(a[i + k * s], b[j + k * t])),
        }
    }
}

impl Binary {
    /// Runs it; the result lies row by row.
    #[inline(always)]
    pub fn run(self, nest: &Nest<2>, operands: [&[f32]; 2], out: &mut [f32]) {
        match self {
            Self::Add => zip(nest, operands, out, |a, b| a + b),
            Self::Sub => zip(nest, operands, out, |a, b| a - b),
            Self::Mul => zip(nest, operands, out, |a, b| a * b),
            Self::Div => zip(nest, operands, out, |a, b| a / b),
            Self::Max => zip(nest, operands, out, |a, b| if a > b || a.is_nan() { a } else { b }),
            Self::Min => zip(nest, operands, out, |a, b| if a < b || a.is_nan() { a } else { b }),
            Self::Power => zip(nest, operands, out, f32::powf),
            Self::Slope => zip(nest, operands, out, |a, b| if a < 0.0 { a * b } else { a }),
            Self::Greater => zip(nest, operands, out, |a, b| f32::from(u8::from(a > b))),
            Self::Less => zip(nest, operands, out, |a, b| f32::from(u8::from(a < b))),
        }
    }
}

/// `condition != 0 ? a : b`.
#[inline(always)]
pub fn select(nest: &Nest<3>, [condition, a, b]: [&[f32]; 3], out: &mut [f32]) {
    let n = nest.dims[LOOPS - 1];
    let [s, t, u] = [0, 1, 2].map(|v| nest.strides[v][LOOPS - 1]);
    for (row, [i, j, k]) in nest.rows() {
        for (x, o) in out[row * n..][..n].iter_mut().enumerate() {
            *o = if condition[i + x * s] == 0.0 { b[k + x * u] } else { a[j + x * t] };
        }
    }
}

/// Copies the first operand's values to the second's places in `out`.
#[inline(always)]
pub fn place(nest: &Nest<2>, input: &[f32], out: &mut [f32]) {
    let n = nest.dims[LOOPS - 1];
    let [s, t] = [0, 1].map(|v| nest.strides[v][LOOPS - 1]);
    for (_, [i, j]) in nest.rows() {
        if [s, t] == [1, 1] {
            out[j..j + n].copy_from_slice(&input[i..i + n]);
        } else {
            for x in 0..n {
                out[j + x * t] = input[i + x * s];
            }
        }
    }
}

/// How a dimension is taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// Sum.
    Sum,
    /// Mean.
    Mean,
    /// The greatest.
    Max,
}

/// Sums and the like: loops over what stays, and, for each, over what goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// How.
    pub fold: Fold,
    /// What stays.
    pub kept: Nest<1>,
    /// What goes, from the place of what stays.
    pub gone: Nest<1>,
}

/// Sums that run side by side where values are neighbours.
const LANES: usize = 8;

#[inline(always)]
fn gather(input: &[f32], start: usize, n: usize, stride: usize, first: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    if stride != 1 {
        return (0..n).fold(first, |sum, i| f(sum, input[start + i * stride]));
    }
    let (chunks, rest) = input[start..start + n].as_chunks::<LANES>();
    let mut lanes = [first; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = f(*lane, x));
    }
    let sum = rest.iter().fold(first, |sum, &x| f(sum, x));
    lanes.iter().fold(sum, |sum, &x| f(sum, x))
}

impl Reduce {
    /// Runs it; the result lies row by row.
    #[inline(always)]
    pub fn run(&self, input: &[f32], out: &mut [f32]) {
        let count = self.gone.size() as f32;
        match self.fold {
            Fold::Sum => self.walk(input, out, 0.0, |a, b| a + b, 1.0),
            Fold::Mean => self.walk(input, out, 0.0, |a, b| a + b, 1.0 / count),
            Fold::Max => self.walk(input, out, f32::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b }, 1.0),
        }
    }

    #[inline(always)]
    fn walk(&self, input: &[f32], out: &mut [f32], first: f32, f: impl Fn(f32, f32) -> f32 + Copy, scale: f32) {
        let (n, stride) = (self.kept.dims[LOOPS - 1], self.kept.strides[0][LOOPS - 1]);
        let (m, step) = (self.gone.dims[LOOPS - 1], self.gone.strides[0][LOOPS - 1]);
        for (row, [at]) in self.kept.rows() {
            for (i, o) in out[row * n..][..n].iter_mut().enumerate() {
                let mut sum = first;
                for (_, [from]) in self.gone.rows() {
                    sum = f(sum, gather(input, at + i * stride + from, m, step, first, f));
                }
                *o = sum * scale;
            }
        }
    }
}

/// Softmax over rows of `n` neighbours.
#[inline(always)]
pub fn softmax<const FUSED: bool>(input: &[f32], n: usize, out: &mut [f32]) {
    for (from, to) in input.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        let top = from.iter().fold(f32::NEG_INFINITY, |a, &b| if a > b || a.is_nan() { a } else { b });
        to.iter_mut().zip(from).for_each(|(t, &x)| *t = exp::<FUSED>(x - top));
        let sum: f32 = to.iter().sum();
        to.iter_mut().for_each(|t| *t /= sum);
    }
}

/// The gates of a GRU with its reset gate behind the product (ONNX `linear_before_reset = 1`): from the
/// input's and the state's products `[rows][3 hidden]`, gates in ONNX's order (update, reset, new), and
/// the state `[rows][hidden]`, the next state.
#[inline(always)]
pub fn gates<const FUSED: bool>([input, state, last]: [&[f32]; 3], hidden: usize, out: &mut [f32]) {
    let rows = input.chunks_exact(3 * hidden).zip(state.chunks_exact(3 * hidden));
    for ((x, h), (last, out)) in rows.zip(last.chunks_exact(hidden).zip(out.chunks_exact_mut(hidden))) {
        let [xz, xr, xn] = [0, 1, 2].map(|gate| &x[gate * hidden..][..hidden]);
        let [hz, hr, hn] = [0, 1, 2].map(|gate| &h[gate * hidden..][..hidden]);
        for i in 0..hidden {
            let update = sigmoid::<FUSED>(xz[i] + hz[i]);
            let reset = sigmoid::<FUSED>(xr[i] + hr[i]);
            let new = tanh::<FUSED>(xn[i] + reset * hn[i]);
            out[i] = new + update * (last[i] - new);
        }
    }
}
