//! Convolutions, sequences, and values gathered from and scattered to places.

use super::*;

/// What an attribute of whole numbers is.
fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A convolution by its definition, `[output][h][w]`.
#[allow(clippy::too_many_arguments)]
fn convolution(
    x: &[f32],
    [channels, height, width]: [usize; 3],
    w: &[f32],
    [outputs, kh, kw]: [usize; 3],
    groups: usize,
    strides: [usize; 2],
    dilations: [usize; 2],
    pads: [usize; 4],
) -> Vec<f64> {
    let (own, each) = (channels / groups, outputs / groups);
    let length = |n: usize, pad: usize, k: usize, d: usize| (n + pad - dilations[d] * (k - 1) - 1) / strides[d] + 1;
    let (oh, ow) = (length(height, pads[0] + pads[2], kh, 0), length(width, pads[1] + pads[3], kw, 1));
    let mut out = Vec::new();
    for o in 0..outputs {
        for y in 0..oh {
            for z in 0..ow {
                let mut sum = 0.0;
                for c in 0..own {
                    for i in 0..kh {
                        for j in 0..kw {
                            let (row, column) = (y * strides[0] + i * dilations[0], z * strides[1] + j * dilations[1]);
                            if row < pads[0] || column < pads[1] || row - pads[0] >= height || column - pads[1] >= width {
                                continue;
                            }
                            let at = ((o / each * own + c) * height + row - pads[0]) * width + column - pads[1];
                            sum += f64::from(x[at]) * f64::from(w[((o * own + c) * kh + i) * kw + j]);
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

#[test]
fn convolutions_follow_the_definition() {
    let mut noise = Noise(11);
    for (channels, outputs, groups) in [(1, 4, 1), (4, 6, 1), (4, 4, 4), (4, 6, 2), (6, 1, 1)] {
        for ([kh, kw], strides, dilations, pads) in [
            ([1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
            ([1, 3], [1, 2], [1, 1], [0, 1, 0, 1]),
            ([3, 3], [1, 1], [2, 1], [4, 1, 0, 2]),
            ([2, 5], [2, 3], [1, 2], [0, 4, 1, 4]),
        ] {
            let shape = [channels, 5, 11];
            let x = noise.take(channels * 55);
            let w = noise.take(outputs * channels / groups * kh * kw);
            let bias = noise.take(outputs);
            let got = Make::default()
                .input("x", &[1, channels, 5, 11])
                .floats("w", &[outputs, channels / groups, kh, kw], w.clone())
                .floats("b", &[outputs], bias.clone())
                .node_with(
                    "Conv",
                    &["x", "w", "b"],
                    "y",
                    &[
                        ("group", Attribute::Int(groups as i64)),
                        ("strides", ints(&strides.map(|v| v as i64))),
                        ("dilations", ints(&dilations.map(|v| v as i64))),
                        ("pads", ints(&pads.map(|v| v as i64))),
                    ],
                )
                .run("y", &[&x]);
            let mut want = convolution(&x, shape, &w, [outputs, kh, kw], groups, strides, dilations, pads);
            let places = want.len() / outputs;
            want.iter_mut().enumerate().for_each(|(at, value)| *value += f64::from(bias[at / places]));
            assert_close(&got, &want, 1e-5);
        }
    }
}

/// Each input value adds the kernel, times itself, to the output.
#[test]
fn transposed_convolutions_follow_the_definition() {
    let mut noise = Noise(12);
    let (height, width) = (3, 4);
    for (channels, each, groups) in [(2, 3, 1), (4, 2, 2), (3, 1, 3)] {
        for ([kh, kw], stride, dilation, [top, left], extra) in
            [([1, 3], [1, 2], [1, 1], [0, 1], [0, 1]), ([3, 3], [2, 1], [1, 2], [1, 0], [1, 0]), ([2, 2], [1, 1], [1, 1], [0, 0], [0, 0])]
        {
            let outputs = each * groups;
            let (x, w) = (noise.take(channels * height * width), noise.take(channels * each * kh * kw));
            let got = Make::default()
                .input("x", &[1, channels, height, width])
                .floats("w", &[channels, each, kh, kw], w.clone())
                .node_with(
                    "ConvTranspose",
                    &["x", "w"],
                    "y",
                    &[
                        ("group", Attribute::Int(groups as i64)),
                        ("strides", ints(&stride.map(|v| v as i64))),
                        ("dilations", ints(&dilation.map(|v| v as i64))),
                        ("pads", ints(&[top as i64, left as i64, top as i64, left as i64])),
                        ("output_padding", ints(&extra.map(|v| v as i64))),
                    ],
                )
                .run("y", &[&x]);
            let oh = (height - 1) * stride[0] + dilation[0] * (kh - 1) + 1 + extra[0] - 2 * top;
            let ow = (width - 1) * stride[1] + dilation[1] * (kw - 1) + 1 + extra[1] - 2 * left;
            let mut want = vec![0.0; outputs * oh * ow];
            for c in 0..channels {
                for m in 0..each {
                    for y in 0..height {
                        for z in 0..width {
                            for i in 0..kh {
                                for j in 0..kw {
                                    let (row, column) = (y * stride[0] + i * dilation[0], z * stride[1] + j * dilation[1]);
                                    if row < top || column < left || row - top >= oh || column - left >= ow {
                                        continue;
                                    }
                                    let o = c / (channels / groups) * each + m;
                                    want[(o * oh + row - top) * ow + column - left] +=
                                        f64::from(x[(c * height + y) * width + z]) * f64::from(w[((c * each + m) * kh + i) * kw + j]);
                                }
                            }
                        }
                    }
                }
            }
            assert_close(&got, &want, 1e-5);
        }
    }
}

/// A product with a single column, with a bias and a rectifier behind it.
#[test]
fn a_column_is_computed_as_a_row() {
    let mut noise = Noise(13);
    let (a, x, bias) = (noise.take(35), noise.take(5), noise.take(7));
    let make = || {
        Make::default()
            .input("x", &[5, 1])
            .floats("a", &[7, 5], a.clone())
            .floats("b", &[7, 1], bias.clone())
            .node("MatMul", &["a", "x"], "p")
            .node("Add", &["p", "b"], "q")
            .node("Relu", &["q"], "y")
    };
    assert_eq!(make().plan("y").unwrap().steps(), 1);
    let want: Vec<f64> = product(&a, &x, [7, 5, 1]).iter().zip(&bias).map(|(v, &b)| (v + f64::from(b)).max(0.0)).collect();
    assert_close(&make().run("y", &[&x]), &want, 1e-5);
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn a_long_short_term_memory_walks_both_ways() {
    let (steps, batch, width, hidden) = (4, 2, 3, 5);
    let mut noise = Noise(14);
    let x = noise.take(steps * batch * width);
    let (w, r) = (noise.take(2 * 4 * hidden * width), noise.take(2 * 4 * hidden * hidden));
    let bias = noise.take(2 * 8 * hidden);
    let (h, c) = (noise.take(2 * batch * hidden), noise.take(2 * batch * hidden));
    let got = Make::default()
        .input("x", &[steps, batch, width])
        .floats("w", &[2, 4 * hidden, width], w.clone())
        .floats("r", &[2, 4 * hidden, hidden], r.clone())
        .floats("b", &[2, 8 * hidden], bias.clone())
        .input("h", &[2, batch, hidden])
        .input("c", &[2, batch, hidden])
        .node_with("LSTM", &["x", "w", "r", "b", "", "h", "c"], "y", &[("direction", Attribute::Text("bidirectional".into()))])
        .run("y", &[&x, &h, &c]);
    let mut want = vec![0.0; steps * 2 * batch * hidden];
    for d in 0..2 {
        for b in 0..batch {
            let at = (d * batch + b) * hidden;
            let mut state: Vec<f64> = h[at..at + hidden].iter().map(|&v| v.into()).collect();
            let mut memory: Vec<f64> = c[at..at + hidden].iter().map(|&v| v.into()).collect();
            for count in 0..steps {
                let step = if d == 0 { count } else { steps - 1 - count };
                let gate = |g: usize, i: usize, state: &[f64]| {
                    let row = (d * 4 + g) * hidden + i;
                    let input: f64 = (0..width).map(|k| f64::from(w[row * width + k]) * f64::from(x[(step * batch + b) * width + k])).sum();
                    let own: f64 = (0..hidden).map(|k| f64::from(r[row * hidden + k]) * state[k]).sum();
                    let bias = |part: usize| f64::from(bias[(d * 8 + part * 4 + g) * hidden + i]);
                    input + own + bias(0) + bias(1)
                };
                let last = state.clone();
                for i in 0..hidden {
                    let [input, output, forget, cell] = [0, 1, 2, 3].map(|g| gate(g, i, &last));
                    memory[i] = sigmoid(forget) * memory[i] + sigmoid(input) * cell.tanh();
                    state[i] = sigmoid(output) * memory[i].tanh();
                    want[((step * 2 + d) * batch + b) * hidden + i] = state[i];
                }
            }
        }
    }
    assert_close(&got, &want, 1e-5);
}

#[test]
fn values_are_gathered_scattered_padded_and_normalised() {
    let mut noise = Noise(15);
    let x = noise.take(2 * 6);
    let base = || Make::default().input("x", &[2, 6]);
    // Even places in two dimensions are a view, as in an unfolded convolution.
    let mut make = base();
    make.constants.push(("even".into(), Constant::Ints(vec![2, 3], vec![1, 2, 3, 3, 4, 5])));
    let got = make.node_with("Gather", &["x", "even"], "y", &[("axis", Attribute::Int(1))]).run("y", &[&x]);
    let want: Vec<f64> = [1, 2, 3, 3, 4, 5, 7, 8, 9, 9, 10, 11].iter().map(|&at: &usize| x[at].into()).collect();
    assert_close(&got, &want, 0.0);
    let got = base().ints("odd", &[5, 0, -3]).node_with("Gather", &["x", "odd"], "y", &[("axis", Attribute::Int(1))]).run("y", &[&x]);
    let want: Vec<f64> = [5, 0, 3, 11, 6, 9].iter().map(|&at: &usize| x[at].into()).collect();
    assert_close(&got, &want, 0.0);

    let mut make = base().floats("new", &[2, 6], vec![9.0; 12]);
    make.constants.push(("at".into(), Constant::Ints(vec![1, 1], vec![1])));
    let got = make.floats("row", &[1, 6], vec![9.0; 6]).node("ScatterND", &["x", "at", "row"], "y").run("y", &[&x]);
    let want: Vec<f64> = x[..6].iter().map(|&v| v.into()).chain([9.0; 6]).collect();
    assert_close(&got, &want, 0.0);

    let got = base().ints("widths", &[1, 0, 0, 2]).node("Pad", &["x", "widths"], "y").run("y", &[&x]);
    let row = |r: usize| x[r * 6..][..6].iter().map(|&v| f64::from(v)).chain([0.0; 2]);
    let want: Vec<f64> = [0.0; 8].into_iter().chain(row(0)).chain(row(1)).collect();
    assert_close(&got, &want, 0.0);

    let statistics = [[1.0, 2.0, 3.0], [0.5, -0.5, 0.0], [0.1, 0.2, 0.3], [1.0, 4.0, 0.25]];
    let mut make = Make::default().input("x", &[1, 3, 4]);
    for (name, values) in ["scale", "shift", "mean", "variance"].iter().zip(statistics) {
        make = make.floats(name, &[3], values.to_vec());
    }
    let got = make.node("BatchNormalization", &["x", "scale", "shift", "mean", "variance"], "y").run("y", &[&x]);
    let want: Vec<f64> = (0..12)
        .map(|at| {
            let [scale, shift, mean, variance] = statistics.map(|values| f64::from(values[at / 4]));
            (f64::from(x[at]) - mean) / (variance + 1e-5).sqrt() * scale + shift
        })
        .collect();
    assert_close(&got, &want, 1e-5);

    let got = base().floats("slope", &[1], vec![0.25]).node("PRelu", &["x", "slope"], "y").run("y", &[&x]);
    assert_close(&got, &x.iter().map(|&v| f64::from(if v < 0.0 { 0.25 * v } else { v })).collect::<Vec<_>>(), 0.0);
}
