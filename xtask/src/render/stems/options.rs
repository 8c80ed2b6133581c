//! What `render stems` is asked beside what every engine is.

use crate::render::failure::Failure;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dsp_core::engines::stems::{Quality, Settings, Task};
use dsp_core::params::{self, FromValues};

/// Options of `render stems` beside those of every engine.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Stems")]
pub struct StemsArgs {
    /// What the file is taken apart into; short for --set task=VALUE
    #[arg(long, value_parser = PossibleValuesParser::new(Task::ALL.map(Task::key)))]
    pub task: Option<String>,

    /// The stems that are written, by commas: vocals, drums, bass, other; voice, rest; or none [default: all]
    #[arg(long, value_name = "STEM,...", value_delimiter = ',')]
    pub stems: Option<Vec<String>>,

    /// fast is what the plugin plays, good and best take more passes
    #[arg(long, value_name = "fast|good|best", default_value = "best", value_parser = qualities())]
    pub quality: Quality,

    /// Write a mix too, with stems at these gains in dB, by commas; "-inf" leaves one out
    #[arg(long, value_name = "STEM=DB,...", value_delimiter = ',', allow_hyphen_values = true)]
    pub mix: Vec<String>,
}

/// Reads a quality by its name.
fn qualities() -> impl TypedValueParser<Value = Quality> {
    let find = |name: String| Quality::ALL.into_iter().find(|quality| quality.key() == name).ok_or("no such quality");
    PossibleValuesParser::new(Quality::ALL.map(Quality::key)).try_map(find)
}

/// Name of the mix among the stems' files.
pub const MIX: &str = "mix";
/// Parameters of the faders: what is behind the first dash of their ids, or all of an id.
const FADERS: [&str; 7] = ["gain", "mute", "solo", "pan", "width", "output", "listen"];

impl StemsArgs {
    /// Sets what the options ask for among the engine's values.
    ///
    /// # Errors
    /// One line with what is not known.
    pub fn apply(&self, values: &mut [f32], named: &mut Vec<usize>) -> Result<(), Failure> {
        let mut set = |id: &str, text: &str| -> Result<(), Failure> {
            let refuse = |error: params::ParamError| Failure::new(error.to_string());
            let index = params::index_of(Settings::PARAMS, id).map_err(refuse)?;
            values[index] = Settings::PARAMS[index].parse(text).map_err(refuse)?;
            named.push(index);
            Ok(())
        };
        if let Some(task) = &self.task {
            set("task", task)?;
        }
        for pair in &self.mix {
            let Some((stem, gain)) = pair.split_once('=') else {
                return Err(Failure::new(format!("--mix {pair}: write STEM=DB, as in vocals=-6")));
            };
            set(&format!("{}-gain", stem.trim()), gain)?;
        }
        let task = Settings::from_values(values).task;
        if let Some(pair) = self.mix.iter().find(|pair| !pair.split('=').next().is_some_and(|stem| task.keys().contains(&stem.trim()))) {
            let known = task.keys().join(", ");
            return Err(Failure::new(format!("--mix {pair}: the stems of \"{}\" are {known}; --task chooses others", task.key())));
        }
        Ok(())
    }

    /// Names of the files that are written, in order, for these values and those of their parameters that were named.
    ///
    /// # Errors
    /// One line with what is not known, or when nothing is left to write.
    pub fn files(&self, values: &[f32], named: &[usize]) -> Result<Vec<&'static str>, Failure> {
        let task = Settings::from_values(values).task;
        let known = || task.keys().join(", ");
        let mut files: Vec<&'static str> = Vec::new();
        match &self.stems {
            None => files.extend(task.keys()),
            Some(stems) if stems.iter().all(|stem| stem.trim() == "none") => {}
            Some(stems) => {
                if let Some(stem) = stems.iter().find(|stem| !task.keys().contains(&stem.trim())) {
                    return Err(Failure::new(format!("--stems {stem}: the stems of \"{}\" are {}", task.key(), known())));
                }
                files.extend(task.keys().iter().filter(|key| stems.iter().any(|stem| stem.trim() == **key)));
            }
        }
        let fader = |index: &usize| {
            let id = Settings::PARAMS[*index].id;
            let own = id.rsplit_once('-').map_or(id, |(_, what)| what);
            FADERS.contains(&own)
        };
        if !self.mix.is_empty() || named.iter().any(fader) {
            files.push(MIX);
        }
        if files.is_empty() {
            return Err(Failure::new(format!("--stems none leaves nothing to write; name some of {}, or a --mix", known())));
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(args: &StemsArgs, sets: &[(&str, f32)]) -> Result<(Vec<f32>, Vec<&'static str>), Failure> {
        let mut values = params::defaults(Settings::PARAMS);
        let mut named = Vec::new();
        for (id, value) in sets {
            let index = params::index_of(Settings::PARAMS, id).unwrap();
            values[index] = *value;
            named.push(index);
        }
        args.apply(&mut values, &mut named)?;
        let files = args.files(&values, &named)?;
        Ok((values, files))
    }

    #[test]
    fn files_are_those_that_are_asked_for() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let all = StemsArgs::default();
        assert_eq!(files(&all, &[]).unwrap().1, ["vocals", "drums", "bass", "other"]);
        assert_eq!(files(&all, &[("focus", 20.0), ("low-latency", 1.0)]).unwrap().1.len(), 4);
        assert_eq!(files(&all, &[("vocals-mute", 1.0)]).unwrap().1[4..], ["mix"]);
        let two = StemsArgs { stems: Some(text(&["bass", "vocals"])), mix: text(&["vocals=-6"]), ..all.clone() };
        let (values, names) = files(&two, &[]).unwrap();
        assert_eq!(names, ["vocals", "bass", "mix"]);
        assert_eq!(Settings::from_values(&values).stems[0].gain.0, -6.0);
        let voice = StemsArgs { task: Some("dialogue".into()), mix: text(&["rest=-inf"]), stems: Some(text(&["none"])), ..all.clone() };
        let (values, names) = files(&voice, &[]).unwrap();
        assert_eq!(names, ["mix"]);
        assert_eq!(Settings::from_values(&values).gains()[1], 0.0);
        for (bad, word) in [
            (StemsArgs { stems: Some(text(&["voice"])), ..all.clone() }, "drums"),
            (StemsArgs { mix: text(&["rest=-3"]), ..all.clone() }, "--task"),
            (StemsArgs { mix: text(&["vocals=loud"]), ..all.clone() }, "loud"),
            (StemsArgs { mix: text(&["vocals"]), ..all.clone() }, "vocals=-6"),
            (StemsArgs { stems: Some(text(&["none"])), ..all }, "nothing"),
        ] {
            let error = files(&bad, &[]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
