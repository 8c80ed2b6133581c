//! A/B: two sets of values, one heard.

use crate::persist::Persisted;

/// Changes to the other side. Gives the values to hear from now on, given the present ones: the
/// other side's, or the present ones when that side was never set.
pub fn switch(state: &mut Persisted, now: &[f32]) -> Vec<f32> {
    let heard = if state.other.len() == now.len() { std::mem::take(&mut state.other) } else { now.to_vec() };
    state.other = now.to_vec();
    state.b = !state.b;
    heard
}

/// Copies the values heard to the other side.
pub fn copy(state: &mut Persisted, now: &[f32]) {
    state.other = now.to_vec();
}

/// True when both sides are the same.
pub fn same(state: &Persisted, now: &[f32]) -> bool {
    state.other.is_empty() || state.other == now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_keeps_its_values() {
        let mut state = Persisted::default();
        let a = [1.0, 2.0];
        assert_eq!(switch(&mut state, &a), a, "B starts as A");
        assert!(state.b);
        let b = [3.0, 4.0];
        assert_eq!(switch(&mut state, &b), a);
        assert!(!state.b);
        assert!(!same(&state, &a));
        assert_eq!(switch(&mut state, &a), b);
        copy(&mut state, &b);
        assert!(same(&state, &b));
        assert_eq!(switch(&mut state, &b), b);
    }
}
