//! Parameters that are one move together: what is taken over by hand and given back as a whole.

use dsp_core::engines::master::MasterMoves;
use dsp_core::params::FromValues;

/// One move; its name is that of its explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(usize);

/// All moves in the order of the chain, with the name that is shown. Ids are those of explanations.
const GROUPS: [(&str, &str); 23] = [
    ("eq1", "EQ 1"),
    ("eq2", "EQ 2"),
    ("eq3", "EQ 3"),
    ("eq4", "EQ 4"),
    ("eq5", "EQ 5"),
    ("eq6", "EQ 6"),
    ("eq7", "EQ 7"),
    ("eq8", "EQ 8"),
    ("eq9", "EQ 9"),
    ("eq10", "EQ 10"),
    ("eq11", "EQ 11"),
    ("eq12", "EQ 12"),
    ("mb", "Bands"),
    ("mb-low", "Low dynamics"),
    ("mb-lowmid", "Low-mid dynamics"),
    ("mb-highmid", "High-mid dynamics"),
    ("mb-high", "High dynamics"),
    ("stereo", "Regions"),
    ("stereo-low", "Low width"),
    ("stereo-mid", "Mid width"),
    ("stereo-high", "High width"),
    ("colour", "Colour"),
    ("limiter", "Loudness"),
];

/// Parameters that learning sets beside those whose id begins with their group's and a dash.
const OTHERS: [(&str, &str); 14] = [
    ("input", "limiter"),
    ("limiter-drive", "limiter"),
    ("limiter-ceiling", "limiter"),
    ("mb-on", "mb"),
    ("mb-bands", "mb"),
    ("mb-x1", "mb"),
    ("mb-x2", "mb"),
    ("mb-x3", "mb"),
    ("mb-knee", "mb"),
    ("stereo-low", "stereo-low"),
    ("stereo-mid", "stereo-mid"),
    ("stereo-high", "stereo-high"),
    ("stereo-x1", "stereo"),
    ("stereo-x2", "stereo"),
];

impl Group {
    /// The one with this id.
    pub fn find(id: &str) -> Option<Self> {
        GROUPS.iter().position(|(known, _)| *known == id).map(Self)
    }

    /// The group of a parameter; none of what learning never touches: phase, releases, links, listening.
    pub fn of(id: &str) -> Option<Self> {
        if let Some((_, group)) = OTHERS.iter().find(|(known, _)| *known == id) {
            return Self::find(group);
        }
        let known = |group: &&(&str, &str)| {
            let whole = group.0.starts_with("eq") || group.0.starts_with("mb-") || group.0 == "colour";
            whole && id.strip_prefix(group.0).is_some_and(|rest| rest.starts_with('-'))
        };
        GROUPS.iter().find(known).and_then(|(group, _)| Self::find(group))
    }

    /// The groups of all parameters, in the order of the table.
    pub fn table() -> Vec<Option<Self>> {
        MasterMoves::PARAMS.iter().map(|param| Self::of(param.id)).collect()
    }

    /// True when it shapes tone, dynamics or image, and not only the level.
    pub fn shapes(self) -> bool {
        self.id() != "limiter"
    }

    /// Its id.
    pub fn id(self) -> &'static str {
        GROUPS[self.0].0
    }

    /// Its name as shown.
    pub fn name(self) -> &'static str {
        GROUPS[self.0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_the_group_of_their_move() {
        let of = |id: &str| Group::of(id).map(Group::id);
        assert_eq!(of("eq1-gain"), Some("eq1"));
        assert_eq!(of("eq12-on"), Some("eq12"));
        assert_eq!(of("mb-low-ratio"), Some("mb-low"));
        assert_eq!(of("mb-lowmid-up-ratio"), Some("mb-lowmid"));
        assert_eq!(of("mb-x2"), Some("mb"));
        assert_eq!(of("stereo-high"), Some("stereo-high"));
        assert_eq!(of("colour-mix"), Some("colour"));
        assert_eq!(of("limiter-drive"), Some("limiter"));
        for id in ["eq-on", "eq-phase", "mb-split", "stereo-mono-below", "limiter-release", "match", "listen", "bypass"] {
            assert_eq!(of(id), None, "{id}");
        }
        assert!(
            OTHERS.iter().all(|(id, group)| { MasterMoves::PARAMS.iter().any(|param| param.id == *id) && Group::find(group).is_some() })
        );
        assert!((0..GROUPS.len()).map(Group).all(|group| Group::table().contains(&Some(group))));
    }
}
