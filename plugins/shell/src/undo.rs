//! Undo and redo of everything the user did in the editor.

/// Steps kept.
const DEPTH: usize = 200;
/// Seconds within which changes of the same control are one step: a turn of the wheel is one move.
const MERGE: f64 = 0.7;

/// What was changed, to merge a run of small changes into one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// One parameter, by index.
    Param(usize),
    /// A preset, A/B, or anything else that stands alone.
    All,
}

/// The values before each step, and those that were undone.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    done: Vec<Vec<f32>>,
    undone: Vec<Vec<f32>>,
    last: Option<(What, f64)>,
}

impl Undo {
    /// Notes a change from `before` to `after` at a time in seconds. Nothing when both are the same.
    pub fn record(&mut self, what: What, before: &[f32], after: &[f32], time: f64) {
        if before == after {
            return;
        }
        self.undone.clear();
        let merges = matches!(self.last, Some((last, at)) if last == what && what != What::All && time - at < MERGE);
        if !merges {
            self.done.push(before.to_vec());
            if self.done.len() > DEPTH {
                self.done.remove(0);
            }
        }
        self.last = Some((what, time));
    }

    /// True when there is a step to undo.
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// True when there is a step to redo.
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// The values before the last step, given the present ones.
    pub fn undo(&mut self, now: &[f32]) -> Option<Vec<f32>> {
        let values = self.done.pop()?;
        self.undone.push(now.to_vec());
        self.last = None;
        Some(values)
    }

    /// The values that the last undo took away, given the present ones.
    pub fn redo(&mut self, now: &[f32]) -> Option<Vec<f32>> {
        let values = self.undone.pop()?;
        self.done.push(now.to_vec());
        self.last = None;
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_back_and_forth() {
        let mut undo = Undo::default();
        undo.record(What::Param(0), &[0.0], &[1.0], 0.0);
        undo.record(What::Param(1), &[1.0], &[2.0], 0.1);
        undo.record(What::Param(1), &[2.0], &[2.0], 5.0);
        assert_eq!(undo.undo(&[2.0]), Some(vec![1.0]));
        assert_eq!(undo.undo(&[1.0]), Some(vec![0.0]));
        assert_eq!(undo.undo(&[0.0]), None);
        assert_eq!(undo.redo(&[0.0]), Some(vec![1.0]));
        assert_eq!(undo.redo(&[1.0]), Some(vec![2.0]));
        assert!(!undo.can_redo());
    }

    #[test]
    fn a_run_on_one_control_is_one_step_and_a_new_change_ends_redo() {
        let mut undo = Undo::default();
        for i in 0..5 {
            undo.record(What::Param(3), &[i as f32], &[i as f32 + 1.0], f64::from(i) * 0.1);
        }
        assert_eq!(undo.undo(&[5.0]), Some(vec![0.0]));
        assert!(undo.can_redo());
        undo.record(What::Param(3), &[0.0], &[9.0], 0.5);
        assert!(!undo.can_redo());
        assert_eq!(undo.undo(&[9.0]), Some(vec![0.0]));
    }

    #[test]
    fn the_oldest_steps_are_forgotten() {
        let mut undo = Undo::default();
        for i in 0..DEPTH + 10 {
            undo.record(What::All, &[i as f32], &[i as f32 + 1.0], 0.0);
        }
        assert_eq!(undo.done.len(), DEPTH);
    }
}
