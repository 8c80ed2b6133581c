//! The models in the runtime give what they gave in training: against vectors that the exporter wrote.

use dsp_core::model::{Plan, Runner, embedded};
use realfft::num_complex::Complex32;
use std::path::PathBuf;
use std::sync::Arc;

/// What the exporter states about its vectors, `[parity]` in the manifest.
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

/// Little-endian `f32` pairs of a file.
fn complex(path: PathBuf) -> Vec<Complex32> {
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    values.as_chunks::<2>().0.iter().map(|[re, im]| Complex32::new(*re, *im)).collect()
}

fn runner(plan: &Arc<Plan>) -> Runner {
    Runner::new(plan).unwrap()
}

#[test]
fn masks_equal_those_of_training() {
    for id in ["denoise", "denoise-low"] {
        let text = std::fs::read_to_string(folder(id).join("manifest.toml")).unwrap();
        let WithParity { parity } = toml::from_str(&text).unwrap();
        let input = complex(folder(id).join("parity/input.f32"));
        let wanted = complex(folder(id).join("parity/mask.f32"));
        let plan = embedded(id).unwrap().plan().unwrap();
        let bins = plan.manifest().bins;
        assert_eq!(input.len(), parity.frames * bins);
        let mut runner = runner(&plan);
        let mut mask = vec![Complex32::default(); bins];
        let mut distinct = 0.0_f32;
        for (frame, (input, wanted)) in input.chunks(bins).zip(wanted.chunks(bins)).enumerate() {
            if frame == parity.reset {
                runner.reset();
            }
            runner.step(input, &mut mask);
            assert!(!runner.has_failed(), "{id}, frame {frame}");
            for (bin, (got, want)) in mask.iter().zip(wanted).enumerate() {
                assert!((got - want).norm() < parity.tolerance, "{id}, frame {frame}, bin {bin}: {got} {want}");
                distinct = distinct.max((want - mask[0]).norm());
            }
        }
        assert!(distinct > 1e-3, "{id}: vectors that are all alike prove nothing");
    }
}

/// 300 frames, a reset in the middle: the second half equals the first bit for bit, so nothing is
/// kept that the states do not hold.
#[test]
fn a_reset_forgets_everything() {
    for id in ["denoise", "denoise-low"] {
        let plan = embedded(id).unwrap().plan().unwrap();
        let bins = plan.manifest().bins;
        let mut runner = runner(&plan);
        let mut pass = || {
            let mut seed = 1_u32;
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.01
            };
            runner.reset();
            (0..150)
                .flat_map(|_| {
                    let spectrum: Vec<_> = (0..bins).map(|_| Complex32::new(next(), next())).collect();
                    let mut mask = vec![Complex32::default(); bins];
                    runner.step(&spectrum, &mut mask);
                    mask
                })
                .collect::<Vec<_>>()
        };
        assert!(pass() == pass(), "{id}");
    }
}

#[test]
fn a_file_that_does_not_fit_its_manifest_is_refused() {
    let folder = folder("denoise");
    let text = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    let onnx = std::fs::read(folder.join("model.onnx")).unwrap();
    let load = |text: &str, onnx: &[u8]| Plan::load(dsp_core::model::Manifest::parse(text).unwrap(), onnx).map(|_| ());
    assert!(load(&text, &onnx).is_ok());
    let truncated = load(&text, &onnx[..onnx.len() / 2]).unwrap_err().to_string();
    assert!(truncated.contains("hash"), "{truncated}");
    for (from, to) in [("bins = 481", "bins = 257"), ("name = \"h0\"", "name = \"hx\"")] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(load(&changed, &onnx).is_err(), "{to}");
    }
}
