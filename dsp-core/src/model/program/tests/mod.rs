//! Steps against slow oracles in `f64`, on shapes of every remainder and on tensors with strides.

mod moved;
mod sequences;

use super::super::onnx::{Attribute, Constant, Graph, Node, Port};
use super::{Memory, Program, Refusal};

/// A repeatable stream of numbers from -1 to 1.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn take(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// A graph under construction.
#[derive(Default)]
struct Make {
    nodes: Vec<Node>,
    constants: Vec<(String, Constant)>,
    inputs: Vec<Port>,
}

impl Make {
    fn input(mut self, name: &str, shape: &[usize]) -> Self {
        self.inputs.push(Port { name: name.into(), floats: true, shape: Some(shape.to_vec()), open: Vec::new() });
        self
    }

    fn floats(mut self, name: &str, shape: &[usize], values: Vec<f32>) -> Self {
        self.constants.push((name.into(), Constant::Floats(shape.to_vec(), values)));
        self
    }

    fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.constants.push((name.into(), Constant::Ints(vec![values.len()], values.to_vec())));
        self
    }

    fn node(self, kind: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(kind, inputs, output, &[])
    }

    fn node_with(mut self, kind: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        let attributes = attributes.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        self.nodes.push(Node { kind: kind.into(), inputs: names(inputs), outputs: vec![output.into()], attributes });
        self
    }

    fn plan(self, output: &str) -> Result<Program, Refusal> {
        let outputs = vec![Port { name: output.into(), floats: true, shape: None, open: Vec::new() }];
        Program::new(&Graph { opset: 17, nodes: self.nodes, constants: self.constants, inputs: self.inputs, outputs })
    }

    /// Runs twice, with everything that is not an input poisoned before.
    fn run(self, output: &str, inputs: &[&[f32]]) -> Vec<f32> {
        let program = self.plan(output).unwrap();
        let mut results = [Vec::new(), Vec::new()];
        for (result, poison) in results.iter_mut().zip([f32::NAN, 1e30]) {
            let mut memory: Memory = program.memory();
            memory.buffers.iter_mut().for_each(|buffer| buffer.fill(poison));
            for (index, values) in inputs.iter().enumerate() {
                program.input(&mut memory, index).copy_from_slice(values);
            }
            program.run(&mut memory);
            *result = program.output(&memory, 0).to_vec();
        }
        let [first, second] = results;
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&first), bits(&second), "scratch memory reaches the result");
        first
    }
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() <= tolerance * want.abs().max(1.0), "value {index}: {got}, expected {want}");
    }
}

fn product(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let cell = |i: usize, j: usize| (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[l * n + j])).sum();
    (0..m * n).map(|at| cell(at / n, at % n)).collect()
}

#[test]
fn products_of_every_remainder_with_all_that_follows() {
    let mut noise = Noise(1);
    for m in [1, 2, 5, 6, 7, 13] {
        for n in [1, 2, 3, 4, 5, 15, 16, 17, 22, 63, 64, 65, 85] {
            for k in [1, 3, 32] {
                let shape = [m, k, n];
                let (a, b, other) = (noise.take(m * k), noise.take(k * n), noise.take(m * n));
                for (bias_shape, by_row) in [(vec![n], false), (vec![1, n], false), (vec![m, 1], true)] {
                    let bias = noise.take(if by_row { m } else { n });
                    let make = || {
                        Make::default()
                            .input("a", &[m, k])
                            .input("other", &[m, n])
                            .floats("b", &[k, n], b.clone())
                            .floats("bias", &bias_shape, bias.clone())
                            .node("MatMul", &["a", "b"], "p")
                            .node("Add", &["p", "bias"], "q")
                            .node("Add", &["other", "q"], "r")
                            .node("Relu", &["r"], "s")
                    };
                    let mut want = product(&a, &b, shape);
                    for (at, value) in want.iter_mut().enumerate() {
                        *value += f64::from(other[at]) + f64::from(bias[if by_row { at / n } else { at % n }]);
                        *value = value.max(0.0);
                    }
                    assert_eq!(make().plan("s").unwrap().steps(), 1, "all in one step");
                    assert_close(&make().run("s", &[&a, &other]), &want, 1e-5);
                }
            }
        }
    }
}

#[test]
fn a_run_in_parts_gives_the_bits_of_a_whole_one() {
    let mut noise = Noise(9);
    let (a, b) = (noise.take(7 * 9), noise.take(9 * 40));
    let program = Make::default()
        .input("a", &[7, 9])
        .floats("b", &[9, 40], b)
        .node("MatMul", &["a", "b"], "p")
        .node("Tanh", &["p"], "q")
        .node_with("Transpose", &["q"], "t", &[("perm", Attribute::Ints(vec![1, 0]))])
        .node("MatMul", &["t", "q"], "r")
        .node("Sigmoid", &["r"], "s")
        .plan("s")
        .unwrap();
    let mut memory = program.memory();
    program.input(&mut memory, 0).copy_from_slice(&a);
    program.run(&mut memory);
    let whole = program.output(&memory, 0).to_vec();
    for parts in [1_u8, 2, 3, 50] {
        memory.buffers.iter_mut().for_each(|buffer| buffer.fill(f32::NAN));
        program.input(&mut memory, 0).copy_from_slice(&a);
        let (mut at, mut places) = (0, vec![0]);
        for part in 1..=parts {
            program.run_until(&mut memory, &mut at, f32::from(part) / f32::from(parts));
            places.push(at);
        }
        assert_eq!(program.output(&memory, 0), whole);
        assert!(places.is_sorted() && at == program.steps());
        assert!(parts < 3 || places[usize::from(parts) / 2] < at, "nothing is left for the second half: {places:?}");
    }
}

#[test]
fn products_of_two_results_in_batches_and_turned() {
    let mut noise = Noise(2);
    let (a, b) = (noise.take(2 * 3 * 5), noise.take(2 * 7 * 5));
    let got = Make::default()
        .input("a", &[2, 3, 5])
        .input("b", &[2, 7, 5])
        .node_with("Transpose", &["b"], "t", &[("perm", Attribute::Ints(vec![0, 2, 1]))])
        .node("MatMul", &["a", "t"], "p")
        .run("p", &[&a, &b]);
    let mut want = Vec::new();
    for pair in 0..2 {
        let turned: Vec<f32> = (0..35).map(|at| b[pair * 35 + at % 7 * 5 + at / 7]).collect();
        want.extend(product(&a[pair * 15..][..15], &turned, [3, 5, 7]));
    }
    assert_close(&got, &want, 1e-5);

    let bias = noise.take(7);
    let got = Make::default()
        .input("a", &[5, 3])
        .floats("b", &[7, 5], b[..35].to_vec())
        .floats("c", &[7], bias.clone())
        .node_with("Gemm", &["a", "b", "c"], "p", &[("transA", Attribute::Int(1)), ("transB", Attribute::Int(1))])
        .run("p", &[&a[..15]]);
    let turned: Vec<f32> = (0..15).map(|at| a[at % 5 * 3 + at / 5]).collect();
    let columns: Vec<f32> = (0..35).map(|at| b[at % 7 * 5 + at / 7]).collect();
    let want: Vec<f64> = product(&turned, &columns, [3, 5, 7]).iter().enumerate().map(|(at, v)| v + f64::from(bias[at % 7])).collect();
    assert_close(&got, &want, 1e-5);
}

/// A sum that something else reads too stays as it is.
#[test]
fn a_product_that_is_read_twice_is_not_changed() {
    let mut noise = Noise(3);
    let (a, b) = (noise.take(6), noise.take(9));
    let got = Make::default()
        .input("a", &[2, 3])
        .floats("b", &[3, 3], b.clone())
        .floats("c", &[3], vec![100.0; 3])
        .node("MatMul", &["a", "b"], "p")
        .node("Add", &["p", "c"], "q")
        .node("Sub", &["q", "p"], "r")
        .run("r", &[&a]);
    assert_close(&got, &[100.0; 6], 1e-5);
}

#[test]
fn operations_on_slices_that_are_repeated() {
    let mut noise = Noise(4);
    let x = noise.take(4 * 6 * 5);
    let y = noise.take(6);
    for (kind, f) in [
        ("Add", (|a, b| a + b) as fn(f64, f64) -> f64),
        ("Sub", |a, b| a - b),
        ("Mul", |a, b| a * b),
        ("Div", |a, b| a / b),
        ("Max", f64::max),
        ("Min", f64::min),
        ("Greater", |a, b| f64::from(u8::from(a > b))),
        ("Less", |a, b| f64::from(u8::from(a < b))),
    ] {
        let got = Make::default()
            .input("x", &[4, 6, 5])
            .input("y", &[6, 1])
            .ints("from", &[1, -4])
            .ints("to", &[4, 100])
            .ints("axes", &[0, 2])
            .ints("steps", &[2, 3])
            .node("Slice", &["x", "from", "to", "axes", "steps"], "cut")
            .node(kind, &["cut", "y"], "out")
            .run("out", &[&x, &y]);
        let mut want = Vec::new();
        for i in [1, 3] {
            for j in 0..6 {
                for k in [1, 4] {
                    want.push(f(x[(i * 6 + j) * 5 + k].into(), y[j].into()));
                }
            }
        }
        assert_close(&got, &want, 1e-6);
    }
}

#[test]
fn functions_of_one_value() {
    let x: Vec<f32> = (-40..=40).map(|i| i as f32 / 8.0).collect();
    for (kind, f) in [
        ("Abs", f64::abs as fn(f64) -> f64),
        ("Neg", |x| -x),
        ("Relu", |x| x.max(0.0)),
        ("LeakyRelu", |x| if x < 0.0 { 0.01 * x } else { x }),
        ("Exp", f64::exp),
        ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
        ("Tanh", f64::tanh),
        ("Softplus", |x| x.exp().ln_1p()),
    ] {
        let got = Make::default().input("x", &[81]).node(kind, &["x"], "y").run("y", &[&x]);
        assert_close(&got, &x.iter().map(|&x| f(x.into())).collect::<Vec<_>>(), 1e-6);
    }
    let positive: Vec<f32> = x.iter().map(|x| x.abs() + 0.01).collect();
    for (kind, f) in [("Sqrt", f64::sqrt as fn(f64) -> f64), ("Log", f64::ln)] {
        let got = Make::default().input("x", &[81]).node(kind, &["x"], "y").run("y", &[&positive]);
        assert_close(&got, &positive.iter().map(|&x| f(x.into())).collect::<Vec<_>>(), 1e-6);
    }
    let make = || Make::default().input("x", &[81]).floats("low", &[], vec![-1.0]).floats("p", &[1], vec![0.3]);
    let got = make().node("Clip", &["x", "low"], "y").run("y", &[&x]);
    assert_close(&got, &x.iter().map(|&x| f64::from(x).max(-1.0)).collect::<Vec<_>>(), 0.0);
    let got = make().node("Pow", &["x", "p"], "y").run("y", &[&positive]);
    assert_close(&got, &positive.iter().map(|&x| f64::from(x).powf(f64::from(0.3_f32))).collect::<Vec<_>>(), 1e-6);
}

#[test]
fn sums_over_any_dimensions() {
    let mut noise = Noise(5);
    let x = noise.take(3 * 11 * 4);
    for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2], vec![0, 1, 2]] {
        for (kind, keep) in [("ReduceSum", 0), ("ReduceMean", 1), ("ReduceMax", 0)] {
            let numbers: Vec<i64> = axes.iter().map(|&axis: &usize| axis as i64 - 3).collect();
            let got = Make::default()
                .input("x", &[3, 11, 4])
                .ints("axes", &numbers)
                .node_with(kind, &["x", "axes"], "y", &[("keepdims", Attribute::Int(keep))])
                .run("y", &[&x]);
            let mut groups: std::collections::BTreeMap<Vec<usize>, Vec<f64>> = std::collections::BTreeMap::new();
            for (at, &value) in x.iter().enumerate() {
                let place = [at / 44, at / 4 % 11, at % 4];
                let key = (0..3).map(|d| if axes.contains(&d) { 0 } else { place[d] }).collect();
                groups.entry(key).or_default().push(value.into());
            }
            let want: Vec<f64> = groups
                .values()
                .map(|group| match kind {
                    "ReduceSum" => group.iter().sum(),
                    "ReduceMean" => group.iter().sum::<f64>() / group.len() as f64,
                    _ => group.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                })
                .collect();
            assert_close(&got, &want, 1e-5);
        }
    }
}

#[test]
fn parts_are_joined_split_turned_and_chosen() {
    let mut noise = Noise(6);
    let (x, y) = (noise.take(6), noise.take(4));
    let got = Make::default()
        .input("x", &[2, 3])
        .input("y", &[2, 2])
        .floats("zero", &[1], vec![0.0])
        .node_with("Concat", &["x", "y"], "joined", &[("axis", Attribute::Int(1))])
        .node("Transpose", &["joined"], "turned")
        .ints("shape", &[-1, 5])
        .node("Reshape", &["turned", "shape"], "flat")
        .node("Greater", &["flat", "zero"], "positive")
        .node_with("Cast", &["positive"], "cast", &[("to", Attribute::Int(1))])
        .node("Neg", &["flat"], "negative")
        .node("Where", &["cast", "flat", "negative"], "out")
        .run("out", &[&x, &y]);
    let row = |r: usize| [&x[r * 3..][..3], &y[r * 2..][..2]].concat();
    let (first, second) = (row(0), row(1));
    let want: Vec<f64> = first.iter().zip(&second).flat_map(|(a, b)| [a, b]).map(|&v| f64::from(v).abs()).collect();
    assert_close(&got, &want, 0.0);

    let mut make = Make::default().input("x", &[2, 3]);
    make.nodes.push(Node {
        kind: "Split".into(),
        inputs: vec!["x".into(), "sizes".into()],
        outputs: vec!["a".into(), "b".into()],
        attributes: vec![("axis".into(), Attribute::Int(1))],
    });
    let got = make.ints("sizes", &[1, 2]).node("Mul", &["a", "b"], "out").run("out", &[&x]);
    let want: Vec<f64> = [[0, 1], [0, 2], [3, 4], [3, 5]].iter().map(|&[i, j]| f64::from(x[i]) * f64::from(x[j])).collect();
    assert_close(&got, &want, 1e-6);
}

#[test]
fn rows_become_shares() {
    let x = [1.0, 2.0, 3.0, -80.0, 0.0, 80.0];
    let got = Make::default().input("x", &[2, 3]).node("Softmax", &["x"], "y").run("y", &[&x]);
    let want: Vec<f64> = x
        .chunks(3)
        .flat_map(|row| {
            let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            row.iter().map(move |&x| f64::from(x).exp() / sum)
        })
        .collect();
    assert_close(&got, &want, 1e-6);
}

#[test]
fn a_recurrent_cell_follows_the_equations() {
    let (batch, width, hidden) = (3, 5, 7);
    let mut noise = Noise(7);
    let (x, h) = (noise.take(batch * width), noise.take(batch * hidden));
    let (w, r) = (noise.take(3 * hidden * width), noise.take(3 * hidden * hidden));
    let bias = noise.take(6 * hidden);
    let got = Make::default()
        .input("x", &[1, batch, width])
        .input("h", &[1, batch, hidden])
        .floats("w", &[1, 3 * hidden, width], w.clone())
        .floats("r", &[1, 3 * hidden, hidden], r.clone())
        .floats("bias", &[1, 6 * hidden], bias.clone())
        .node_with(
            "GRU",
            &["x", "w", "r", "bias", "", "h"],
            "y",
            &[("hidden_size", Attribute::Int(7)), ("linear_before_reset", Attribute::Int(1))],
        )
        .run("y", &[&x, &h]);
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut want = Vec::new();
    for b in 0..batch {
        let (x, h) = (&x[b * width..][..width], &h[b * hidden..][..hidden]);
        for i in 0..hidden {
            let gate = |g: usize| {
                let row = g * hidden + i;
                let input = dot(&w[row * width..][..width], x) + f64::from(bias[row]);
                let state = dot(&r[row * hidden..][..hidden], h) + f64::from(bias[3 * hidden + row]);
                (input, state)
            };
            let (z, reset) = (sigmoid(gate(0).0 + gate(0).1), sigmoid(gate(1).0 + gate(1).1));
            let new = (gate(2).0 + reset * gate(2).1).tanh();
            want.push((1.0 - z) * new + z * f64::from(h[i]));
        }
    }
    assert_close(&got, &want, 1e-5);
}

#[test]
fn what_is_no_number_is_seen_at_the_end() {
    let got = Make::default()
        .input("x", &[1, 2])
        .floats("w", &[2, 2], vec![1.0, 0.0, 0.0, 1.0])
        .node("MatMul", &["x", "w"], "p")
        .node("Relu", &["p"], "q")
        .node("Tanh", &["q"], "y")
        .run("y", &[&[f32::NAN, 1.0]]);
    assert!(got[0].is_nan());
}

#[test]
fn an_input_can_be_an_output_and_constants_are_computed_once() {
    let got = Make::default().input("x", &[2]).node("Identity", &["x"], "y").run("y", &[&[1.0, 2.0]]);
    assert_eq!(got, [1.0, 2.0]);
    let make = || Make::default().input("x", &[1]).floats("c", &[1], vec![3.0]).node("Exp", &["c"], "e").node("Mul", &["x", "e"], "y");
    assert_eq!(make().plan("y").unwrap().steps(), 1);
    assert_close(&make().run("y", &[&[2.0]]), &[2.0 * 3.0_f64.exp()], 1e-6);
}

#[test]
fn wrong_graphs_are_refused_with_the_reason() {
    let base = || Make::default().input("x", &[2, 3]);
    let invalid = |make: Make, word: &str| match make.plan("y") {
        Err(Refusal::Invalid(text)) => assert!(text.contains(word), "{text}"),
        other => panic!("{other:?}"),
    };
    invalid(base().node("Add", &["x", "nothing"], "y"), "nothing");
    invalid(base().floats("c", &[4], vec![0.0; 4]).node("Add", &["x", "c"], "y"), "fit");
    invalid(base().floats("c", &[2, 2], vec![0.0; 4]).node("MatMul", &["x", "c"], "y"), "[2, 3] x [2, 2]");
    invalid(base().ints("s", &[7, -1]).node("Reshape", &["x", "s"], "y"), "shape");
    invalid(base().ints("f", &[2]).ints("t", &[1]).node("Slice", &["x", "f", "t"], "y"), "empty");
    invalid(base().node_with("Softmax", &["x"], "y", &[("axis", Attribute::Int(5))]), "axis 5");
    invalid(base().ints("s", &[1 << 40, 1 << 40]).node("Expand", &["x", "s"], "z").node("Exp", &["z"], "y"), "shape");
    assert!(matches!(base().node("Loop", &["x"], "y").plan("y"), Err(Refusal::Unsupported(_))));
    assert!(matches!(Make::default().plan("y"), Err(Refusal::Invalid(_))));
}
