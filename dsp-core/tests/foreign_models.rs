//! Models of other people in our runtime and in the general one: the same values.
//!
//! They lie beside the project in `../shared/models`; where that is absent, nothing is tested.
#![cfg(feature = "tract")]

use dsp_core::model::{Manifest, Plan, Runner};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// A model: file, inputs, outputs, and states by their names where they go in and come out.
struct Foreign {
    file: &'static str,
    inputs: &'static [(&'static str, &'static [usize])],
    outputs: &'static [(&'static str, &'static [usize])],
    states: &'static [(&'static str, &'static str, &'static [usize])],
}

const MODELS: [Foreign; 4] = [
    Foreign {
        file: "gtcrn/gtcrn_simple.onnx",
        inputs: &[("mix", &[1, 257, 1, 2])],
        outputs: &[("enh", &[1, 257, 1, 2])],
        states: &[
            ("conv_cache", "conv_cache_out", &[2, 1, 16, 16, 33]),
            ("tra_cache", "tra_cache_out", &[2, 3, 1, 1, 16]),
            ("inter_cache", "inter_cache_out", &[2, 1, 33, 16]),
        ],
    },
    Foreign {
        file: "ul-unas/ulunas_stream_simple.onnx",
        inputs: &[("mix", &[1, 257, 1, 2])],
        outputs: &[("enh", &[1, 257, 1, 2])],
        states: &[
            ("conv_cache", "conv_cache_out", &[1, 5358]),
            ("tfa_cache", "tfa_cache_out", &[1, 402]),
            ("inter_cache", "inter_cache_out", &[1, 1056]),
        ],
    },
    Foreign {
        file: "dtln/model_1.onnx",
        inputs: &[("input_2", &[1, 1, 257])],
        outputs: &[("activation_2", &[1, 1, 257])],
        states: &[("input_3", "tf_op_layer_stack_2", &[1, 2, 128, 2])],
    },
    Foreign {
        file: "dtln/model_2.onnx",
        inputs: &[("input_4", &[1, 1, 512])],
        outputs: &[("conv1d_3", &[1, 1, 512])],
        states: &[("input_5", "tf_op_layer_stack_5", &[1, 2, 128, 2])],
    },
];

/// Everything but the hash, which the first try to load tells.
fn manifest(model: &Foreign, hash: &str) -> Manifest {
    let mut text = format!(
        "id = \"x\"\nname = \"x\"\nversion = \"1\"\ntask = \"denoise\"\nauthors = \"x\"\nlicense = \"MIT\"\nfile = \"x\"\nsha256 = \"{hash}\"\n"
    );
    for (kind, tensors) in [("inputs", model.inputs), ("outputs", model.outputs)] {
        for (name, shape) in tensors {
            writeln!(text, "[[{kind}]]\nname = \"{name}\"\nshape = {shape:?}").unwrap();
        }
    }
    for (input, output, shape) in model.states {
        writeln!(text, "[[states]]\nname = \"{input}\"\nshape = {shape:?}\ninput = \"{input}\"\noutput = \"{output}\"").unwrap();
    }
    Manifest::parse(&text).unwrap()
}

#[test]
fn both_runtimes_agree_over_100_frames_with_a_reset() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    if !folder.is_dir() {
        println!("{} is absent: nothing to compare", folder.display());
        return;
    }
    for model in &MODELS {
        let file = model.file;
        let onnx = std::fs::read(folder.join(file)).unwrap();
        let refusal = Plan::load(manifest(model, "?"), &onnx).unwrap_err().to_string();
        let hash = refusal.split("hash is ").nth(1).and_then(|rest| rest.get(..64)).unwrap().to_owned();
        let own = Arc::new(Plan::load(manifest(model, &hash), &onnx).unwrap());
        assert!(own.is_own(), "{file} has an operator that our runtime lacks");
        let general = Arc::new(Plan::load_general(manifest(model, &hash), &onnx).unwrap());
        let (mut first, mut second) = (Runner::new(&own).unwrap(), Runner::new(&general).unwrap());
        let size = |shape: &[usize]| shape.iter().product::<usize>();
        let mut seed = 3_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut time = [std::time::Duration::ZERO; 2];
        for frame in 0..100 {
            if frame == 50 {
                first.reset();
                second.reset();
            }
            let loud = if frame % 10 < 7 { 0.3 } else { 0.01 };
            let input: Vec<f32> = (0..size(model.inputs[0].1)).map(|_| (next() * loud).abs()).collect();
            let room = || vec![0.0_f32; size(model.outputs[0].1)];
            let (mut ours, mut theirs) = (room(), room());
            let start = std::time::Instant::now();
            assert!(first.step(&[&input], &mut [&mut ours]), "{file}, frame {frame}");
            time[0] += start.elapsed();
            let start = std::time::Instant::now();
            assert!(second.step(&[&input], &mut [&mut theirs]), "{file}, frame {frame}");
            time[1] += start.elapsed();
            let scale = theirs.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
            for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert!((ours - theirs).abs() < 2e-4 * scale, "{file}, frame {frame}, value {index}: {ours} {theirs}");
            }
        }
        println!("{file}: {:?} a frame, {:?} in the general runtime", time[0] / 100, time[1] / 100);
    }
}
