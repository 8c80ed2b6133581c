//! A graph over a sequence that runs step by step must give what it gives for the whole sequence. That is
//! tried when it is loaded: what looks ahead, or back in a way that is not kept, shows.

use super::onnx::Graph;
use super::program::{Memory, Program, Refusal};

/// Length of the sequence that is tried.
const STEPS: usize = 9;
/// Largest difference, relative to the largest value of an output or to 1.
const TOLERANCE: f32 = 1e-3;

/// Runs `stepwise`, planned from `graph` with lengths of 1, against the whole sequence.
///
/// # Errors
/// Where they differ.
pub(super) fn check(graph: &Graph, stepwise: &Program) -> Result<(), Refusal> {
    let mut whole = graph.clone();
    let mut axes = Vec::new();
    for port in &mut whole.inputs {
        let (Some(shape), [axis]) = (&mut port.shape, &port.open[..]) else {
            let count = port.open.len();
            return Err(Refusal::Invalid(format!("input \"{}\" leaves {count} dimensions open; a sequence is one", port.name)));
        };
        shape[*axis] = STEPS;
        axes.push(*axis);
    }
    let shapes: Vec<Vec<usize>> = whole.inputs.iter().filter_map(|port| port.shape.clone()).collect();
    let whole = Program::new(&whole)?;
    let (mut all, mut one) = (whole.memory(), stepwise.memory());
    let mut seed = 1_u32;
    for index in 0..shapes.len() {
        whole.input(&mut all, index).iter_mut().for_each(|value| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
        });
    }
    let inputs: Vec<Vec<f32>> = (0..shapes.len()).map(|index| whole.input(&mut all, index).to_vec()).collect();
    whole.run(&mut all);
    for step in 0..STEPS {
        for (index, ((values, shape), &axis)) in inputs.iter().zip(&shapes).zip(&axes).enumerate() {
            let inner: usize = shape[axis + 1..].iter().product();
            for (to, from) in stepwise.input(&mut one, index).chunks_exact_mut(inner).zip(values.chunks_exact(inner * STEPS)) {
                to.copy_from_slice(&from[step * inner..][..inner]);
            }
        }
        stepwise.run(&mut one);
        for (index, port) in graph.outputs.iter().enumerate() {
            compare(&port.name, index, step, (&whole, &all), (stepwise, &one))?;
        }
    }
    Ok(())
}

fn compare(
    name: &str,
    index: usize,
    step: usize,
    (whole, all): (&Program, &Memory),
    (stepwise, one): (&Program, &Memory),
) -> Result<(), Refusal> {
    let (long, short) = (whole.output_shape(index), stepwise.output_shape(index));
    let unlike: Vec<usize> = (0..long.len().min(short.len())).filter(|&d| long[d] != short[d]).collect();
    let (true, [axis]) = (long.len() == short.len(), &unlike[..]) else {
        return Err(Refusal::Invalid(format!("output \"{name}\" has a shape of {long:?} for {STEPS} steps and {short:?} for one")));
    };
    let inner: usize = short[axis + 1..].iter().product();
    let (all, one) = (whole.output(all, index), stepwise.output(one, index));
    if long[*axis] != STEPS || short[*axis] != 1 || all.len() != one.len() * STEPS {
        return Err(Refusal::Invalid(format!("output \"{name}\" has a shape of {long:?} for {STEPS} steps and {short:?} for one")));
    }
    let scale = all.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    for (row, got) in one.chunks_exact(inner).enumerate() {
        let wanted = &all[(row * STEPS + step) * inner..][..inner];
        let worst = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0_f32, |a, b| if a >= b { a } else { b });
        // A difference that is no number fails too.
        if worst.is_nan() || worst > TOLERANCE * scale {
            return Err(Refusal::Invalid(format!(
                "step by step, output \"{name}\" differs by {worst} at step {step} from that of a whole sequence; it must not look ahead"
            )));
        }
    }
    Ok(())
}
