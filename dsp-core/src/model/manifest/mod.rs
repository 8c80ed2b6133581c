//! What stands beside a model's files: task, frame, parts, licence, hashes. docs/MODELS.md describes each
//! key.

mod keys;
mod tensor;

pub use tensor::{Holds, Part, Running, State, Tensor};

use crate::framing::{Frame, Scale, Window};
use crate::processor::Error;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tensor::size;

/// How a model for one channel serves several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// One spectrum stands for linked channels, and one answer holds for all.
    #[default]
    Joined,
    /// Each channel goes through the model; linked ones share the mean of the answers, weighted by power.
    Each,
}

/// A model's `manifest.toml`. Keys that are not known here and not nearly a known one are left to who reads
/// the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Short permanent name.
    pub id: String,
    /// Name shown.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// What it is for: what an engine asks for.
    pub task: String,
    /// Who made it.
    pub authors: String,
    /// Licence of the weights, an SPDX expression.
    pub license: String,
    /// Where the authors publish it.
    pub homepage: Option<String>,
    /// How sound is cut into frames, for models that an engine frames by their manifest.
    pub frame: Option<Frame>,
    /// Frames by which an answer is later than the newest frame that it needs.
    pub look_ahead: usize,
    /// How a model for one channel serves several.
    pub channels: Channels,
    /// Widths in bins of the bands that tensors speak of, from the lowest bin on; empty where there are
    /// none.
    pub bands: Vec<usize>,
    /// The graphs, in the order in which they run.
    pub parts: Vec<Part>,
}

/// The keys of the card and of the frame, as they are written.
#[derive(Deserialize)]
struct Written {
    id: String,
    name: String,
    version: String,
    task: String,
    authors: String,
    license: String,
    homepage: Option<String>,
    rate: Option<u32>,
    #[serde(default)]
    look_ahead: usize,
    #[serde(default)]
    channels: Channels,
    #[serde(default)]
    bands: Vec<usize>,
    frame: Option<WrittenFrame>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFrame {
    window: usize,
    hop: usize,
    analysis: Window,
    synthesis: Window,
    synthesis_window: Option<usize>,
    scale: Option<Scale>,
    #[serde(default)]
    exact: bool,
}

/// Most values that go in or come out of a part at a step.
const MAX_VALUES: usize = 1 << 16;
/// Most values that a part may keep from step to step.
const MAX_STATE: usize = 1 << 22;
/// Most graphs of a model.
pub const MAX_PARTS: usize = 8;
/// Most inputs or outputs of a graph, without its states.
pub const MAX_PORTS: usize = 8;
/// Sample rates that a frame may be meant for, in hertz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Longest window in samples at the model's rate.
const MAX_WINDOW: usize = 1 << 14;
/// Most hops in a window.
const MAX_OVERLAP: usize = 16;
/// Most frames of look-ahead.
const MAX_LOOK_AHEAD: usize = 64;

/// What an engine expects of a tensor: name and shape.
pub type Expected<'a> = (&'a str, &'a [usize]);

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`Error::Model`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let broken = |id: &str, reason: &str| Error::Model { id: id.to_owned(), reason: format!("manifest: {reason}") };
        let table: toml::Table = toml::from_str(text).map_err(|e| broken("?", e.message()))?;
        let id = table.get("id").and_then(toml::Value::as_str).unwrap_or("?").to_owned();
        keys::check(&table).map_err(|reason| broken(&id, &reason))?;
        let written: Written = read(&table).map_err(|reason| broken(&id, &reason))?;
        let parts = match table.get("parts") {
            None => vec![read::<Part>(&table).map_err(|reason| broken(&id, &reason))?],
            Some(toml::Value::Array(parts)) => {
                let part = |(index, part): (usize, &toml::Value)| {
                    part.clone().try_into::<Part>().map_err(|e| broken(&id, &format!("part {}: {}", index + 1, e.message())))
                };
                parts.iter().enumerate().map(part).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(broken(&id, "parts are written as [[parts]]")),
        };
        let manifest = Self {
            frame: written.frame.map(|frame| frame.at(written.rate)).transpose().map_err(|reason| broken(&id, &reason))?,
            id: written.id,
            name: written.name,
            version: written.version,
            task: written.task,
            authors: written.authors,
            license: written.license,
            homepage: written.homepage,
            look_ahead: written.look_ahead,
            channels: written.channels,
            bands: written.bands,
            parts,
        };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Error> {
        if self.parts.is_empty() || self.parts.len() > MAX_PARTS {
            return Err(self.refuse(format!("{} parts; 1 to {MAX_PARTS} can be", self.parts.len())));
        }
        if self.look_ahead > MAX_LOOK_AHEAD {
            return Err(self.refuse(format!("a look_ahead of {} frames; at most {MAX_LOOK_AHEAD} can be", self.look_ahead)));
        }
        if let Some(frame) = &self.frame {
            self.check_frame(frame)?;
        }
        let bins = self.frame.as_ref().map_or(MAX_WINDOW, Frame::bins);
        let sum = self.bands.iter().try_fold(0_usize, |sum, &width| sum.checked_add(width).filter(|_| width > 0));
        if sum.is_none_or(|sum| sum > bins) {
            return Err(self.refuse(format!("bands of {:?} bins; each has at least one, and all of them at most {bins}", self.bands)));
        }
        for part in &self.parts {
            if part.file.is_empty() || part.file.starts_with('.') || part.file.contains(['/', '\\', ':']) {
                return Err(self.refuse(format!("a file \"{}\"; it lies beside the manifest and has a plain name", part.file)));
            }
            self.check_sizes("input", part.inputs.iter().map(|tensor| (&tensor.name, &tensor.shape)), MAX_VALUES)?;
            self.check_sizes("output", part.outputs.iter().map(|tensor| (&tensor.name, &tensor.shape)), MAX_VALUES)?;
            self.check_sizes("state", part.states.iter().map(|state| (&state.name, &state.shape)), MAX_STATE)?;
            for (kind, count) in [("input", part.inputs.len()), ("output", part.outputs.len())] {
                if count == 0 || count > MAX_PORTS {
                    return Err(self.refuse(format!("{count} {kind}s; 1 to {MAX_PORTS} can be")));
                }
            }
            let running = part.inputs.iter().filter_map(|tensor| match tensor.holds {
                Some(Holds::LogBands(running) | Holds::UnitSpectrum(running)) => Some((tensor, running)),
                _ => None,
            });
            for (tensor, running) in running {
                let valid = (0.0..1.0).contains(&running.decay) && running.start.iter().all(|value| value.is_finite());
                if !valid {
                    let what = format!("a decay of {} from {:?}; decay is 0 to under 1, and a start finite", running.decay, running.start);
                    return Err(self.refuse(format!("\"{}\" has {what}", tensor.name)));
                }
            }
        }
        Ok(())
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), Error> {
        let Frame { rate, window, hop, synthesis_window, .. } = *frame;
        if !RATES.contains(&rate) {
            return Err(self.refuse(format!("a rate of {rate} Hz; {} to {} can be", RATES.start(), RATES.end())));
        }
        let whole = |length: usize| hop > 0 && length > 0 && length.is_multiple_of(hop) && length / hop <= MAX_OVERLAP;
        if window > MAX_WINDOW || !window.is_multiple_of(2) || !whole(window) || !whole(synthesis_window) || synthesis_window > window {
            return Err(self.refuse(format!(
                "a window of {window} samples with a synthesis window of {synthesis_window} and a hop of {hop}; windows are even, \
                 at most {MAX_WINDOW} long and 1 to {MAX_OVERLAP} hops, the synthesis window is not the longer one"
            )));
        }
        let asymmetric = [frame.analysis, frame.synthesis].map(|window| window == Window::Asymmetric);
        if frame.analysis == Window::Sum {
            return Err(self.refuse("\"sum\" is no window for analysis; \"rectangular\" is".into()));
        }
        if asymmetric[0] != asymmetric[1] || asymmetric[0] && synthesis_window >= window {
            return Err(self.refuse("asymmetric windows come in pairs, with a synthesis window that is shorter".into()));
        }
        if let Scale::Factor(factor) = frame.scale
            && !(factor.is_finite() && factor > 0.0)
        {
            return Err(self.refuse(format!("a scale of {factor}; it is over 0")));
        }
        Ok(())
    }

    /// Checks that all tensors of a kind hold at least one value, and together `most` at the most.
    fn check_sizes<'a>(&self, kind: &str, tensors: impl Iterator<Item = (&'a String, &'a Vec<usize>)>, most: usize) -> Result<(), Error> {
        let mut total = 0_usize;
        for (name, shape) in tensors {
            let size = size(shape).unwrap_or(usize::MAX);
            total = total.saturating_add(size);
            if size == 0 || total > most {
                return Err(
                    self.refuse(format!("{kind} \"{name}\" has a shape of {shape:?}; all {kind}s together hold 1 to {most} values"))
                );
            }
        }
        Ok(())
    }

    /// Checks that this is a model for `task`.
    ///
    /// # Errors
    /// [`Error::Model`] with its own task.
    pub fn is_for(&self, task: &str) -> Result<(), Error> {
        if self.task == task {
            return Ok(());
        }
        Err(self.refuse(format!("is for \"{}\"; a model for \"{task}\" is needed", self.task)))
    }

    /// Checks that this is a model for `task` of one part with exactly these inputs and outputs.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit.
    pub fn fits(&self, task: &str, inputs: &[Expected<'_>], outputs: &[Expected<'_>]) -> Result<(), Error> {
        self.is_for(task)?;
        let [part] = &self.parts[..] else {
            return Err(self.refuse(format!("has {} parts where one is needed", self.parts.len())));
        };
        for (kind, tensors, expected) in [("inputs", &part.inputs, inputs), ("outputs", &part.outputs, outputs)] {
            let fits = tensors.len() == expected.len()
                && tensors.iter().zip(expected).all(|(t, (name, shape))| t.name == *name && t.shape == *shape);
            if !fits {
                let named = |parts: Vec<(&str, &[usize])>| {
                    parts.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect::<Vec<_>>().join(", ")
                };
                let has = named(tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect());
                return Err(self.refuse(format!("its {kind} are {has}; needed are {}", named(expected.to_vec()))));
            }
        }
        Ok(())
    }

    /// What tells these weights from others: the hash of the file, or of the hashes of all files.
    pub fn sha256(&self) -> String {
        match &self.parts[..] {
            [only] => only.sha256.clone(),
            parts => hex(&parts.iter().fold(Sha256::new(), |sum, part| sum.chain_update(&part.sha256)).finalize()),
        }
    }

    /// A refusal of this model.
    pub fn refuse(&self, reason: String) -> Error {
        Error::Model { id: self.id.clone(), reason }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read<T: DeserializeOwned>(table: &toml::Table) -> Result<T, String> {
    toml::Value::Table(table.clone()).try_into().map_err(|e: toml::de::Error| e.message().to_owned())
}

impl WrittenFrame {
    fn at(self, rate: Option<u32>) -> Result<Frame, String> {
        let rate = rate.ok_or("missing field `rate`: the rate of [frame] in Hz")?;
        let scale = self.scale.unwrap_or(Scale::Factor(1.0));
        let synthesis_window = self.synthesis_window.unwrap_or(self.window);
        Ok(Frame {
            rate,
            window: self.window,
            hop: self.hop,
            analysis: self.analysis,
            synthesis: self.synthesis,
            synthesis_window,
            scale,
            exact: self.exact,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = "x"
        name = "X"
        version = "1"
        task = "denoise"
        authors = "a"
        license = "MIT"
        file = "model.onnx"
        sha256 = "0"
        [[inputs]]
        name = "spectrum"
        shape = [1, 481, 2]
        [[outputs]]
        name = "mask"
        shape = [1, 481, 2]
        [[states]]
        name = "h"
        shape = [48, 32]
    "#;

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        assert!(Manifest::parse(GOOD).is_ok());
        for (from, to, word) in [
            ("[[outputs]]", "[[other]]", "outputs"),
            ("\"mask\"\n        shape = [1, 481, 2]", "\"mask\"\n        shape = [1, 0, 2]", "output"),
            ("\"spectrum\"\n        shape = [1, 481, 2]", "\"spectrum\"\n        shape = [481, 481]", "input"),
            ("[48, 32]", "[48, 0]", "state"),
            ("[48, 32]", "[4294967296, 4294967296]", "state"),
            ("name = \"X\"", "", "name"),
        ] {
            assert!(GOOD.contains(from));
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn an_engine_gets_what_it_expects_or_a_reason() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let fits = |task, input, size: usize| manifest.fits(task, &[(input, &[1, size, 2])], &[("mask", &[1, 481, 2])]);
        assert!(fits("denoise", "spectrum", 481).is_ok());
        for (task, input, size, word) in
            [("deess", "spectrum", 481, "denoise"), ("denoise", "bands", 481, "bands"), ("denoise", "spectrum", 257, "257")]
        {
            let error = fits(task, input, size).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
