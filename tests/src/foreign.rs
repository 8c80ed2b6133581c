//! Other people's models in the denoise engine, as subjects of the same promises.
//!
//! They lie beside the project in `../shared/models`; where that is absent, nothing is tested. The built-in
//! model is among them, on a thread of its own as models are that are too slow for short blocks.

use crate::subject::{Set, Subject};
use dsp_core::engines::Engine;
use dsp_core::engines::denoise::{Denoise, Models, Settings};
use dsp_core::model::store::Verdict;
use dsp_core::model::{Manifest, Package};
use dsp_core::processor::{Error, Format, Observer, Processor};
use std::path::{Path, PathBuf};

/// Which model.
pub trait Which: Default + Send + 'static {
    /// Its id, and its folder in the catalogue and beside the project.
    const ID: &'static str;
    /// Seconds for which an input sample can be heard, beside the latency.
    const TAIL: f64;

    /// The model; none where its files are absent.
    fn package() -> Option<Package> {
        package(Self::ID)
    }
}

macro_rules! which {
    ($name:ident, $id:literal, $tail:literal) => {
        #[doc = concat!("The model `", $id, "`.")]
        #[derive(Debug, Default)]
        pub struct $name;

        impl Which for $name {
            const ID: &'static str = $id;
            const TAIL: f64 = $tail;
        }
    };
}

which!(Gtcrn, "gtcrn", 0.032);
which!(UlUnas, "ul-unas", 0.032);
which!(Dtln, "dtln", 0.016);
which!(DeepFilterNet3, "deepfilternet3", 0.02);

/// The built-in model as a stranger's, on a thread of its own.
#[derive(Debug, Default)]
pub struct Aside;

impl Which for Aside {
    const ID: &'static str = "denoise";
    const TAIL: f64 = 0.02;

    fn package() -> Option<Package> {
        let read = Package::read(&root().join("models/denoise")).expect("the built-in model is tracked");
        Some(Package { verdict: Verdict::Worker, ..read })
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The model's manifest of the catalogue with the authors' files; none where they are absent.
pub fn package(id: &str) -> Option<Package> {
    let files = root().join("../shared/models").join(id);
    let text = std::fs::read_to_string(root().join("models/catalogue").join(id).join("manifest.toml"));
    let manifest = Manifest::parse(&text.expect("the catalogue is tracked")).unwrap_or_else(|e| panic!("{e}"));
    let read = |part: &dsp_core::model::Part| std::fs::read(files.join(Path::new(&part.file))).ok().map(|bytes| (part.file.clone(), bytes));
    let files = manifest.parts.iter().map(read).collect::<Option<Vec<_>>>()?;
    Some(Package { manifest, files, verdict: Verdict::Inline })
}

/// True where the model's files are; says so where they are not.
pub fn is_there<W: Which>() -> bool {
    let there = W::package().is_some();
    if !there {
        println!("../shared/models/{} is absent: nothing is tested", W::ID);
    }
    there
}

/// The denoiser with that model in place of its own.
#[derive(Debug, Default)]
pub struct Foreign<W: Which>(Denoise, W);

impl<W: Which> Processor for Foreign<W> {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        self.0.prepare(format)
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        self.0.process(audio, settings, observer);
    }

    fn latency(&self, settings: &Settings) -> usize {
        self.0.latency(settings)
    }
}

impl<W: Which> Engine for Foreign<W> {
    type Models = Models;

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Denoise::load_package(format, &W::package().expect("looked for before"))
    }

    fn install(&mut self, models: Box<Models>) -> Option<Box<Models>> {
        self.0.install(models)
    }

    fn retired(&mut self) -> Option<Box<Models>> {
        self.0.retired()
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn set_realtime(&mut self, realtime: bool) {
        self.0.set_realtime(realtime);
    }

    fn late_frames(&self) -> u64 {
        self.0.late_frames()
    }

    fn model_ids(settings: &Settings) -> &'static [&'static str] {
        Denoise::model_ids(settings)
    }
}

impl<W: Which> Subject for Foreign<W> {
    const PRODUCT: &'static str = <Denoise as Subject>::PRODUCT;
    /// A model has one delay.
    const MODES: &'static [(&'static str, Set)] = &[("standard", &[("low-latency", "off")])];
    const DRY: &'static [(&'static str, Set)] = <Denoise as Subject>::DRY;
    const DRY_IS_EXACT: bool = false;
    const BUSY: Set = &[];
    const TAIL: f64 = W::TAIL;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        <Denoise as Subject>::sound(rate, seconds, channels, seed)
    }
}

/// As `for_engines!` for other people's models. Tests that take minutes with large models may leave those
/// out.
#[macro_export]
macro_rules! for_foreign {
    ($($test:ident),+ $(,)?) => {
        $crate::for_foreign!(@ gtcrn, Gtcrn, $($test),+);
        $crate::for_foreign!(@ ul_unas, UlUnas, $($test),+);
        $crate::for_foreign!(@ dtln, Dtln, $($test),+);
        $crate::for_foreign!(@ deepfilternet3, DeepFilterNet3, $($test),+);
        $crate::for_foreign!(@ aside, Aside, $($test),+);
    };
    (@ $name:ident, $which:ident, $($test:ident),+) => {
        mod $name {
            $(
                #[test]
                fn $test() {
                    if $crate::foreign::is_there::<$crate::foreign::$which>() {
                        super::$test::<$crate::foreign::Foreign<$crate::foreign::$which>>();
                    }
                }
            )+
        }
    };
}
