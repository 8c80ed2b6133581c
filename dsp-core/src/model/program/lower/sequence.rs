//! Graphs over a sequence as steps: what they pad before a sequence, and first states of their recurrent
//! cells, become values that are kept from step to step.

use super::super::build::Builder;
use super::super::recurrent::Cell;
use super::super::view::{View, size};
use super::super::{Kernel, Refusal};

impl Builder<'_> {
    /// `x`, of which `axis` is the sequence, behind the `count` steps before it.
    pub(super) fn behind_its_past(&mut self, x: View, axis: usize, count: usize) -> Result<View, Refusal> {
        let x = self.dense(x)?;
        let mut dims = x.dims.clone();
        let outer = size(&dims[..axis]);
        dims[axis] += count;
        let kept = self.kept(&dims)?;
        self.push(Kernel::Shift(outer, x.offset, x.size() / outer), &[x.buffer], kept.buffer);
        Ok(kept)
    }

    /// A state of recurrent cells, `[1][row][unit]`, which is zero before the first step.
    pub(super) fn kept_state(&mut self, rows: usize, hidden: usize) -> Result<View, Refusal> {
        self.kept(&[1, rows, hidden])
    }

    /// Keeps what comes out of cells as their next states.
    pub(super) fn keep_states(&mut self, cell: Cell, [first, memory]: [&View; 2], [last, own]: [&View; 2]) -> Result<(), Refusal> {
        let pairs = [(last, first), (own, memory)];
        for (from, to) in pairs.into_iter().take(if cell == Cell::Lstm { 2 } else { 1 }) {
            let from = View { dims: to.dims.clone(), strides: to.strides.clone(), ..from.clone() };
            let nest = self.nest(&[&from, to])?;
            self.push(Kernel::Place(nest), &[from.buffer], to.buffer);
        }
        Ok(())
    }
}
