//! One stream through a model: steps with state, free of the system's allocator.

use super::plan::Plan;
use crate::processor::Error;
use realfft::num_complex::Complex32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::prelude::*;

/// A model's running state for one stream.
pub struct Runner {
    plan: Arc<Plan>,
    session: TypedSimpleState,
    /// The states that go into the next step, in the manifest's order.
    states: Vec<TValue>,
    /// A step has failed; from then on masks are ones.
    failed: bool,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("model", &self.plan.manifest().id).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Runner {
    /// A stream with its states at zero.
    ///
    /// # Errors
    /// [`Error::Model`] when the runtime refuses the graph.
    pub fn new(plan: &Arc<Plan>) -> Result<Self, Error> {
        let session = plan.runnable().spawn().map_err(|e| Error::Model { id: plan.manifest().id.clone(), reason: format!("{e:#}") })?;
        let mut runner = Self { plan: Arc::clone(plan), session, states: Vec::new(), failed: false };
        runner.reset();
        Ok(runner)
    }

    /// Zeroes the states. Makes small tensors: on the audio thread call it inside a
    /// [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.states.clear();
        for state in &self.plan.manifest().states {
            // Fails for types without a zero only; `f32` has one.
            if let Ok(zero) = Tensor::zero::<f32>(&state.shape) {
                self.states.push(zero.into_tvalue());
            }
        }
    }

    /// True when a step has failed; masks are ones then.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// One step: `spectrum` in, `mask` out, both `[bin]` with the manifest's number of bins. A step
    /// that fails or gives a number that is not finite leaves a mask of ones and zero states.
    pub fn step(&mut self, spectrum: &[Complex32], mask: &mut [Complex32]) {
        let done = !self.failed && catch_unwind(AssertUnwindSafe(|| self.run(spectrum, mask))).is_ok_and(|result| result.is_ok());
        if !done {
            self.failed = true;
        }
        if !done || mask.iter().any(|gain| !gain.is_finite()) {
            mask.fill(Complex32::new(1.0, 0.0));
            self.reset();
        }
    }

    fn run(&mut self, spectrum: &[Complex32], mask: &mut [Complex32]) -> TractResult<()> {
        let mut input = Tensor::zero::<f32>(&[1, spectrum.len(), 2])?;
        let mut plain = input.try_as_plain_ram_mut()?;
        for (pair, bin) in plain.as_slice_mut::<f32>()?.as_chunks_mut::<2>().0.iter_mut().zip(spectrum) {
            *pair = [bin.re, bin.im];
        }
        let mut inputs = tvec![input.into_tvalue()];
        inputs.extend(self.states.drain(..));
        let mut outputs = self.session.run(inputs)?.into_iter();
        if let Some(first) = outputs.next() {
            let plain = first.try_as_plain_ram()?;
            for (gain, pair) in mask.iter_mut().zip(plain.as_slice::<f32>()?.as_chunks::<2>().0) {
                *gain = Complex32::new(pair[0], pair[1]);
            }
        }
        self.states.extend(outputs);
        Ok(())
    }
}
