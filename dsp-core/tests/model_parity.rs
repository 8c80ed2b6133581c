//! The models in the runtime give what they gave in training: against vectors that the exporter wrote.

use dsp_core::model::{Manifest, Part, Plan, Runner, Tensor, embedded};
use std::path::PathBuf;

/// All models.
const IDS: [&str; 8] = ["denoise", "denoise-low", "deess", "events", "master", "stems", "stems-low", "dialogue"];

/// What the exporter states about its vectors, `[parity]` in the manifest. There is a file for each
/// input and output; values are compared relative to the largest of their tensor, or to 1.
#[derive(serde::Deserialize)]
struct Parity {
    frames: usize,
    reset: usize,
    tolerance: f32,
}

#[derive(serde::Deserialize)]
struct WithParity {
    parity: Parity,
}

fn folder(id: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models").join(id)
}

/// Little-endian `f32`s of a tensor's file, `[frame][value]`.
fn frames(id: &str, tensor: &Tensor, count: usize) -> Vec<Vec<f32>> {
    let path = folder(id).join("parity").join(&tensor.name).with_extension("f32");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let size = tensor.size().unwrap();
    assert_eq!(values.len(), count * size, "{}", path.display());
    values.chunks(size).map(<[f32]>::to_vec).collect()
}

/// Room for a step's outputs, `[output][value]`.
fn room(manifest: &Part) -> Vec<Vec<f32>> {
    manifest.outputs.iter().map(|tensor| vec![f32::NAN; tensor.size().unwrap()]).collect()
}

fn step(runner: &mut Runner, inputs: &[&[f32]], outputs: &mut [Vec<f32>]) -> bool {
    let mut outputs: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    runner.step(inputs, &mut outputs)
}

#[test]
fn outputs_equal_those_of_training() {
    for id in IDS {
        let text = std::fs::read_to_string(folder(id).join("manifest.toml")).unwrap();
        let WithParity { parity } = toml::from_str(&text).unwrap();
        let plan = embedded(id).unwrap().plan().unwrap();
        let manifest = plan.part();
        let read = |tensors: &[Tensor]| tensors.iter().map(|tensor| frames(id, tensor, parity.frames)).collect::<Vec<_>>();
        let (inputs, wanted) = (read(&manifest.inputs), read(&manifest.outputs));
        let mut runner = Runner::new(&plan).unwrap();
        let mut outputs = room(manifest);
        for frame in 0..parity.frames {
            if frame == parity.reset {
                runner.reset();
            }
            let given: Vec<&[f32]> = inputs.iter().map(|input| input[frame].as_slice()).collect();
            assert!(step(&mut runner, &given, &mut outputs), "{id}, frame {frame}");
            for ((tensor, got), want) in manifest.outputs.iter().zip(&outputs).zip(&wanted) {
                let scale = want.iter().flatten().fold(1.0_f32, |most, value| most.max(value.abs()));
                for (index, (got, want)) in got.iter().zip(&want[frame]).enumerate() {
                    let error = (got - want).abs() / scale;
                    assert!(error < parity.tolerance, "{id}, {} {index}, frame {frame}: {got} {want}", tensor.name);
                }
            }
        }
        for (tensor, want) in manifest.outputs.iter().zip(&wanted) {
            let all = want.iter().flatten();
            let (low, high) = all.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
            assert!(high - low > 1e-3, "{id}, {}: vectors that are all alike prove nothing", tensor.name);
        }
    }
}

/// 300 frames, a reset in the middle: the second half equals the first bit for bit, so nothing is
/// kept that the states do not hold.
#[test]
fn a_reset_forgets_everything() {
    for id in IDS {
        let plan = embedded(id).unwrap().plan().unwrap();
        let mut runner = Runner::new(&plan).unwrap();
        let mut pass = || {
            let mut seed = 1_u32;
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) as f32 / (1 << 23) as f32 * 0.01
            };
            runner.reset();
            let mut all = Vec::new();
            for _ in 0..150 {
                let inputs: Vec<Vec<f32>> =
                    plan.part().inputs.iter().map(|tensor| (0..tensor.size().unwrap()).map(|_| next()).collect()).collect();
                let given: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
                let mut outputs = room(plan.part());
                assert!(step(&mut runner, &given, &mut outputs), "{id}");
                all.push(outputs);
            }
            all
        };
        let first = pass();
        assert!(first == pass(), "{id}");
        assert!(first[0] != first[149], "{id}: outputs that are all alike prove nothing");
    }
}

/// Our runtime beside the general one, over 300 frames with a reset in the middle.
#[cfg(feature = "tract")]
#[test]
fn our_runtime_gives_what_the_general_one_gives() {
    for id in IDS {
        let own = embedded(id).unwrap().plan().unwrap();
        assert!(own.is_own(), "{id} has an operator that our runtime lacks");
        let onnx = std::fs::read(folder(id).join("model.onnx")).unwrap();
        let general = std::sync::Arc::new(Plan::load_general(own.manifest().clone(), &onnx).unwrap());
        let manifest = own.part();
        let (mut first, mut second) = (Runner::new(&own).unwrap(), Runner::new(&general).unwrap());
        let (mut ours, mut theirs) = (room(manifest), room(manifest));
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 * 0.01
        };
        let mut scale = 1.0_f32;
        for frame in 0..300 {
            if frame == 150 {
                first.reset();
                second.reset();
            }
            let inputs: Vec<Vec<f32>> =
                manifest.inputs.iter().map(|tensor| (0..tensor.size().unwrap()).map(|_| next()).collect()).collect();
            let given: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
            assert!(step(&mut first, &given, &mut ours) && step(&mut second, &given, &mut theirs), "{id}, frame {frame}");
            for (tensor, (ours, theirs)) in manifest.outputs.iter().zip(ours.iter().zip(&theirs)) {
                scale = theirs.iter().fold(scale, |most, value| most.max(value.abs()));
                for (ours, theirs) in ours.iter().zip(theirs) {
                    assert!((ours - theirs).abs() < 1e-4 * scale, "{id}, {}, frame {frame}: {ours} {theirs}", tensor.name);
                }
            }
        }
    }
}

#[test]
fn a_file_that_does_not_fit_its_manifest_is_refused() {
    let folder = folder("denoise");
    let text = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    let onnx = std::fs::read(folder.join("model.onnx")).unwrap();
    let load = |text: &str, onnx: &[u8]| Plan::load(Manifest::parse(text).unwrap(), onnx).map(|_| ());
    assert!(load(&text, &onnx).is_ok());
    let truncated = load(&text, &onnx[..onnx.len() / 2]).unwrap_err().to_string();
    assert!(truncated.contains("hash"), "{truncated}");
    for (from, to) in [("shape = [1, 481, 2]", "shape = [1, 257, 2]"), ("name = \"h0\"", "name = \"hx\"")] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(load(&changed, &onnx).is_err(), "{to}");
    }
}
