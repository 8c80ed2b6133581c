//! Graphs over sequences, step by step, and what exporters compute of shapes in them.

use super::super::super::onnx::{Attribute, Constant, Graph, Port};
use super::super::super::trial;
use super::super::{Program, Refusal};
use super::{Make, Noise, assert_close, product};

/// Channels, bins and units of the graphs here.
const CHANNELS: usize = 3;
const BINS: usize = 4;
const UNITS: usize = 5;

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A convolution over three steps of `x`, `[1, CHANNELS, S, BINS]`, that are padded with `before` and `after`
/// zero steps, and a cell over what it gives, all shapes computed from those of the tensors.
fn graph(before: i64, after: i64) -> Graph {
    let mut noise = Noise(5);
    let wide = CHANNELS * BINS;
    let make = Make::default()
        .input("x", &[1, CHANNELS, 1, BINS])
        .ints("pads", &[0, 0, before, 0, 0, 0, after, 0])
        .floats("w", &[CHANNELS, CHANNELS, 3, 1], noise.take(CHANNELS * CHANNELS * 3))
        .node("Pad", &["x", "pads"], "padded")
        .node("Conv", &["padded", "w"], "c")
        .node_with("Transpose", &["c"], "t", &[("perm", ints(&[2, 0, 1, 3]))])
        .node("Shape", &["t"], "shape")
        .ints("zero", &[0])
        .ints("two", &[2])
        .node("Slice", &["shape", "zero", "two", "zero"], "outer")
        .ints("rest", &[-1])
        .node_with("Concat", &["outer", "rest"], "flat", &[("axis", Attribute::Int(0))])
        .node("Reshape", &["t", "flat"], "rows")
        .ints("state", &[1, 1, UNITS as i64])
        .node_with("ConstantOfShape", &["state"], "h", &[("value", Attribute::Tensor(Constant::Floats(vec![1], vec![0.0])))])
        .floats("gw", &[1, 3 * UNITS, wide], noise.take(3 * UNITS * wide))
        .floats("gr", &[1, 3 * UNITS, UNITS], noise.take(3 * UNITS * UNITS))
        .floats("gb", &[1, 6 * UNITS], noise.take(6 * UNITS))
        .node_with(
            "GRU",
            &["rows", "gw", "gr", "gb", "", "h"],
            "y",
            &[("hidden_size", Attribute::Int(UNITS as i64)), ("linear_before_reset", Attribute::Int(1))],
        );
    let inputs = vec![Port { open: vec![2], ..make.inputs[0].clone() }];
    let output = |name: &str| Port { name: name.into(), floats: true, shape: None, open: Vec::new() };
    Graph { opset: 17, nodes: make.nodes, constants: make.constants, inputs, outputs: vec![output("c"), output("y")] }
}

#[test]
fn padding_before_a_sequence_and_states_of_cells_are_kept() {
    let graph = graph(2, 0);
    let program = Program::stepwise(&graph).unwrap();
    trial::check(&graph, &program).unwrap();
    // What is kept is forgotten when that is asked for.
    let mut memory = program.memory();
    let mut pass = |values: &[f32]| -> Vec<u32> {
        program.forget(&mut memory);
        let mut all = Vec::new();
        for step in values.chunks(CHANNELS * BINS) {
            program.input(&mut memory, 0).copy_from_slice(step);
            program.run(&mut memory);
            all.extend(program.output(&memory, 1).iter().map(|value| value.to_bits()));
        }
        all
    };
    let values = Noise(9).take(6 * CHANNELS * BINS);
    let first = pass(&values);
    pass(&Noise(10).take(3 * CHANNELS * BINS));
    assert_eq!(first, pass(&values));
}

#[test]
fn what_looks_ahead_is_refused() {
    let graph = graph(1, 1);
    let program = Program::stepwise(&graph).unwrap();
    let Err(Refusal::Invalid(reason)) = trial::check(&graph, &program) else { panic!("it looks ahead") };
    assert!(reason.contains("look ahead"), "{reason}");
}

#[test]
fn a_product_for_each_group() {
    let (groups, k, n) = (3, 4, 5);
    let mut noise = Noise(2);
    let (x, w) = (noise.take(2 * groups * k), noise.take(groups * k * n));
    let equation = |text: &str| [("equation", Attribute::Text(text.into()))];
    let make = |text: &str| {
        Make::default().input("x", &[1, 2, groups, k]).floats("w", &[groups, k, n], w.clone()).node_with(
            "Einsum",
            &["x", "w"],
            "y",
            &equation(text),
        )
    };
    let rows = (0..2 * groups).flat_map(|row| product(&x[row * k..][..k], &w[row % groups * k * n..][..k * n], [1, k, n]));
    assert_close(&make("btgi, gih -> btgh").run("y", &[&x]), &rows.collect::<Vec<_>>(), 1e-5);
    for other in ["btgi,gih->bthg", "btgi,gih", "btgg,ggh->btgh", "bti,gih->btgh", ""] {
        assert!(matches!(make(other).plan("y"), Err(Refusal::Unsupported(_))), "{other}");
    }
}

#[test]
fn every_operator_that_is_named_is_known() {
    for name in super::super::operators() {
        let refusal = Make::default().ints("x", &[1, 2]).node(name, &["x"], "y").plan("y").err();
        let unknown = matches!(&refusal, Some(Refusal::Unsupported(text)) if text.contains("no such operator"));
        assert!(!unknown, "{name}");
    }
    assert!(matches!(Make::default().input("x", &[1, 2]).node("Loop", &["x"], "y").plan("y"), Err(Refusal::Unsupported(_))));
}
