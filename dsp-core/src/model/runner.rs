//! One stream through a model: steps with state, free of the system's allocator.

use super::plan::Plan;
use crate::processor::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::prelude::*;

/// A model's running state for one stream.
pub struct Runner {
    plan: Arc<Plan>,
    session: TypedSimpleState,
    /// The states that go into the next step, in the manifest's order.
    states: Vec<TValue>,
    /// A step has failed; no other is tried.
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

    /// True when a step has failed; no other is tried then.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// One step: values in and out, `[input][value]` and `[output][value]`, in the manifest's order and
    /// row by row. False, with zero states and outputs that mean nothing, when the step fails or gives
    /// a number that is not finite.
    #[must_use]
    pub fn step(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> bool {
        let done = !self.failed && catch_unwind(AssertUnwindSafe(|| self.run(inputs, outputs))).is_ok_and(|result| result.is_ok());
        if !done {
            self.failed = true;
        }
        let good = done && outputs.iter().all(|values| values.iter().all(|value| value.is_finite()));
        if !good {
            self.reset();
        }
        good
    }

    fn run(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> TractResult<()> {
        let mut tensors: TVec<TValue> = tvec![];
        for (described, values) in self.plan.manifest().inputs.iter().zip(inputs) {
            let mut tensor = Tensor::zero::<f32>(&described.shape)?;
            tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?.copy_from_slice(values);
            tensors.push(tensor.into_tvalue());
        }
        tensors.extend(self.states.drain(..));
        let mut results = self.session.run(tensors)?.into_iter();
        for (values, result) in outputs.iter_mut().zip(results.by_ref()) {
            values.copy_from_slice(result.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        self.states.extend(results);
        Ok(())
    }
}
