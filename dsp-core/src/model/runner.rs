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
    /// How far a step in parts has come, in operations.
    at: usize,
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
        Ok(Self { plan: Arc::clone(plan), stream, failed: false, bad: 0, at: 0 })
    }

    /// Zeroes the states. The general runtime makes small tensors: on the audio thread call it inside
    /// a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.at = 0;
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
        self.begin(inputs);
        self.end(inputs, outputs)
    }

    /// Begins a step that is done in parts: takes the inputs in, as [`Runner::step`].
    pub fn begin(&mut self, inputs: &[&[f32]]) {
        self.at = 0;
        match (&mut self.stream, self.plan.runtime()) {
            (Stream::Own(memory), Runtime::Own(program)) => {
                for (index, values) in inputs.iter().enumerate() {
                    program.input(memory, index).copy_from_slice(values);
                }
            }
            #[cfg(feature = "tract")]
            _ => {}
        }
    }

    /// Goes on with a step until about this share of it is done, 0 to 1. The general runtime knows no
    /// parts and does all in [`Runner::end`].
    pub fn advance(&mut self, share: f32) {
        if self.failed {
            return;
        }
        match (&mut self.stream, self.plan.runtime()) {
            (Stream::Own(memory), Runtime::Own(program)) => {
                let at = &mut self.at;
                self.failed = catch_unwind(AssertUnwindSafe(|| program.run_until(memory, at, share))).is_err();
            }
            #[cfg(feature = "tract")]
            _ => {}
        }
    }

    /// Ends a step with the inputs that it began with; outputs and what is given back are those of
    /// [`Runner::step`], to the bit.
    #[must_use]
    pub fn end(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> bool {
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
                // They went in when the step began.
                let _ = inputs;
                program.run_until(memory, &mut self.at, 1.0);
                give(program, memory, outputs, (part.inputs.len(), part.states.len()));
                true
            }
            #[cfg(feature = "tract")]
            (Stream::General(session), _) => session.run(part, inputs, outputs),
            #[cfg(feature = "tract")]
            _ => false,
        }
    }
}

/// Copies the outputs of a step, and the states of `states.1` behind them to the inputs from `states.0` on.
fn give(program: &Program, memory: &mut Memory, outputs: &mut [&mut [f32]], states: (usize, usize)) {
    for (index, values) in outputs.iter_mut().enumerate() {
        values.copy_from_slice(program.output(memory, index));
    }
    for state in 0..states.1 {
        program.carry(memory, outputs.len() + state, states.0 + state);
    }
}
