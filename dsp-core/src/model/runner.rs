//! One stream through a model: steps with state, free of the system's allocator.

use super::plan::{Plan, Runtime};
use super::program::{Memory, Program};
#[cfg(feature = "tract")]
use super::tract::Session;
use crate::processor::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A model's running state for one stream.
pub struct Runner {
    plan: Arc<Plan>,
    stream: Stream,
    /// A step has failed; no other is tried.
    failed: bool,
    /// Steps that failed or gave a number that is not finite.
    bad: u64,
}

/// What changes from step to step.
enum Stream {
    Own(Memory),
    #[cfg(feature = "tract")]
    General(Session),
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
        let stream = match plan.runtime() {
            Runtime::Own(program) => Stream::Own(program.memory()),
            #[cfg(feature = "tract")]
            Runtime::General(general) => {
                let refuse = |reason| Error::Model { id: plan.manifest().id.clone(), reason };
                Stream::General(general.session(plan.part()).map_err(refuse)?)
            }
        };
        Ok(Self { plan: Arc::clone(plan), stream, failed: false, bad: 0 })
    }

    /// Zeroes the states. The general runtime makes small tensors: on the audio thread call it inside
    /// a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        let part = self.plan.part();
        match (&mut self.stream, self.plan.runtime()) {
            (Stream::Own(memory), Runtime::Own(program)) => {
                program.forget(memory);
                for state in 0..part.states.len() {
                    program.input(memory, part.inputs.len() + state).fill(0.0);
                }
            }
            #[cfg(feature = "tract")]
            (Stream::General(session), _) => session.reset(part),
            #[cfg(feature = "tract")]
            _ => {}
        }
    }

    /// True when a step has failed; no other is tried then.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Steps that failed or gave numbers that are not finite, since the start.
    pub fn bad_steps(&self) -> u64 {
        self.bad
    }

    /// One step: values in and out, `[input][value]` and `[output][value]`, in the manifest's order and
    /// row by row. False, with zero states and outputs that mean nothing, when the step fails or gives
    /// a number that is not finite.
    #[must_use]
    pub fn step(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> bool {
        let done = !self.failed && catch_unwind(AssertUnwindSafe(|| self.run(inputs, outputs))).is_ok_and(|done| done);
        if !done {
            self.failed = true;
        }
        let good = done && outputs.iter().all(|values| values.iter().all(|value| value.is_finite()));
        if !good {
            self.bad += 1;
            self.reset();
        }
        good
    }

    fn run(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> bool {
        let part = self.plan.part();
        match (&mut self.stream, self.plan.runtime()) {
            (Stream::Own(memory), Runtime::Own(program)) => {
                run_own(program, memory, inputs, outputs, part.states.len());
                true
            }
            #[cfg(feature = "tract")]
            (Stream::General(session), _) => session.run(part, inputs, outputs),
            #[cfg(feature = "tract")]
            _ => false,
        }
    }
}

fn run_own(program: &Program, memory: &mut Memory, inputs: &[&[f32]], outputs: &mut [&mut [f32]], states: usize) {
    for (index, values) in inputs.iter().enumerate() {
        program.input(memory, index).copy_from_slice(values);
    }
    program.run(memory);
    for (index, values) in outputs.iter_mut().enumerate() {
        values.copy_from_slice(program.output(memory, index));
    }
    for state in 0..states {
        program.carry(memory, outputs.len() + state, inputs.len() + state);
    }
}
