//! From values and steps to a program: which buffer holds what, and for how long.

use super::super::onnx::{Constant, Graph};
use super::lanes::Plain;
use super::view::{Nest, View, size};
use super::{BASE_FUSED, Kernel, OPERANDS, Program, Refusal, Step, Unary, level};
use std::collections::HashMap;

/// Most values of one tensor: 64 MiB.
const MAX_TENSOR: usize = 1 << 24;

/// What a name in the graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Numbers in a buffer.
    Floats(View),
    /// Whole numbers, which say how, and are known while planning.
    Ints(Vec<usize>, Vec<i64>),
}

/// A buffer while planning: each result has its own.
#[derive(Debug)]
struct Buffer {
    size: usize,
    constant: Option<Box<[f32]>>,
}

/// Collects steps.
pub(super) struct Builder<'a> {
    graph: &'a Graph,
    values: HashMap<String, Value>,
    buffers: Vec<Buffer>,
    pub(super) steps: Vec<Step>,
    inputs: Vec<usize>,
    /// Buffers that keep their values from run to run.
    kept: Vec<usize>,
    /// The graph is one over a sequence and runs as steps.
    sequence: bool,
    /// How often each name is read, as an output too.
    uses: HashMap<&'a str, usize>,
}

pub(super) fn unsupported<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(what.into()))
}

pub(super) fn invalid<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Invalid(what.into()))
}

impl<'a> Builder<'a> {
    pub(super) fn new(graph: &'a Graph, sequence: bool) -> Result<Self, Refusal> {
        let mut uses = HashMap::new();
        let read = graph.nodes.iter().flat_map(|node| &node.inputs).chain(graph.outputs.iter().map(|port| &port.name));
        for name in read {
            *uses.entry(name.as_str()).or_insert(0) += 1;
        }
        let (values, buffers, steps, inputs, kept) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut builder = Self { graph, values, buffers, steps, inputs, kept, sequence, uses };
        for (name, constant) in &graph.constants {
            let value = builder.constant(constant);
            builder.values.insert(name.clone(), value);
        }
        for port in &graph.inputs {
            let Some(dims) = port.shape.clone() else {
                return unsupported(format!("input \"{}\" has no fixed shape of f32", port.name));
            };
            let view = builder.fresh(&dims)?;
            builder.inputs.push(view.buffer);
            builder.values.insert(port.name.clone(), Value::Floats(view));
        }
        for node in &graph.nodes {
            builder.lower(node).map_err(|refusal| {
                let place = |text: String| format!("{} ({}): {text}", node.kind, node.outputs.first().map_or("", String::as_str));
                match refusal {
                    Refusal::Unsupported(text) => Refusal::Unsupported(place(text)),
                    Refusal::Invalid(text) => Refusal::Invalid(place(text)),
                }
            })?;
        }
        Ok(builder)
    }

    pub(super) fn constant(&mut self, constant: &Constant) -> Value {
        match constant {
            Constant::Ints(dims, values) => Value::Ints(dims.clone(), values.clone()),
            Constant::Floats(dims, values) => Value::Floats(self.keep(dims.clone(), values.clone())),
        }
    }

    /// A constant buffer.
    pub(super) fn keep(&mut self, dims: Vec<usize>, values: Vec<f32>) -> View {
        self.buffers.push(Buffer { size: values.len(), constant: Some(values.into_boxed_slice()) });
        View::whole(self.buffers.len() - 1, dims)
    }

    /// A buffer for a result.
    pub(super) fn fresh(&mut self, dims: &[usize]) -> Result<View, Refusal> {
        match dims.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)) {
            Some(size) if (1..=MAX_TENSOR).contains(&size) => {
                self.buffers.push(Buffer { size, constant: None });
                Ok(View::whole(self.buffers.len() - 1, dims.to_vec()))
            }
            _ => invalid(format!("a tensor with a shape of {dims:?}; 1 to {MAX_TENSOR} values can be")),
        }
    }

    /// A buffer that is zero at first and keeps its values from run to run.
    pub(super) fn kept(&mut self, dims: &[usize]) -> Result<View, Refusal> {
        let view = self.fresh(dims)?;
        self.kept.push(view.buffer);
        Ok(view)
    }

    /// True when the graph is one over a sequence that runs as steps.
    pub(super) fn is_sequence(&self) -> bool {
        self.sequence
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        if !name.is_empty() {
            self.values.insert(name.to_owned(), value);
        }
    }

    pub(super) fn value(&self, name: &str) -> Result<&Value, Refusal> {
        self.values.get(name).ok_or_else(|| Refusal::Invalid(format!("\"{name}\" is read before anything gives it")))
    }

    pub(super) fn view(&self, name: &str) -> Result<View, Refusal> {
        match self.value(name)? {
            Value::Floats(view) => Ok(view.clone()),
            Value::Ints(..) => unsupported(format!("\"{name}\" holds whole numbers where f32 is computed")),
        }
    }

    /// The values of a constant, row by row.
    pub(super) fn known(&self, view: &View) -> Option<Vec<f32>> {
        let values = self.buffers[view.buffer].constant.as_ref()?;
        let mut out = vec![0.0; view.size()];
        Unary::Copy.run::<BASE_FUSED>(&Nest::new(&[view])?, values, &mut out);
        Some(out)
    }

    /// Number of values of a buffer.
    pub(super) fn size_of(&self, buffer: usize) -> usize {
        self.buffers[buffer].size
    }

    /// Version of the graph's operators.
    pub(super) fn opset(&self) -> i64 {
        self.graph.opset
    }

    /// True when nothing but one node reads this name.
    pub(super) fn used_once(&self, name: &str) -> bool {
        self.uses.get(name) == Some(&1)
    }

    /// The step that writes this whole buffer, if a single one does.
    pub(super) fn maker(&self, buffer: usize) -> Option<usize> {
        let mut makers = self.steps.iter().enumerate().filter(|(_, step)| step.output == buffer);
        let (index, _) = makers.next()?;
        makers.next().is_none().then_some(index)
    }

    /// True when a buffer is there before the step with this number runs.
    pub(super) fn is_ready(&self, buffer: usize, step: usize) -> bool {
        self.steps[step..].iter().all(|step| step.output != buffer)
    }

    /// Adds a step. What depends on constants alone is computed at once.
    pub(super) fn push(&mut self, kernel: Kernel, operands: &[usize], output: usize) {
        let mut all = [operands[0]; OPERANDS];
        all[..operands.len()].copy_from_slice(operands);
        let step = Step { kernel, operands: all, output };
        let known: Option<Vec<&[f32]>> = all.iter().map(|&number| self.buffers[number].constant.as_deref()).collect();
        // A buffer that several steps fill stays a buffer.
        match known {
            Some(known) if !matches!(step.kernel, Kernel::Place(_) | Kernel::Fill(_) | Kernel::Scatter(..) | Kernel::Shift(..)) => {
                let mut out = vec![0.0; self.buffers[output].size].into_boxed_slice();
                // SAFETY: every processor of the target has these instructions.
                unsafe { step.kernel.run::<BASE_FUSED, Plain>(std::array::from_fn(|i| known[i]), &mut out) };
                self.buffers[output].constant = Some(out);
            }
            _ => self.steps.push(step),
        }
    }

    /// The same values row by row, in a buffer of their own if they have to be moved.
    pub(super) fn dense(&mut self, view: View) -> Result<View, Refusal> {
        if view.is_dense() {
            return Ok(view);
        }
        let out = self.fresh(&view.dims)?;
        let nest = self.nest(&[&view])?;
        self.push(Kernel::Unary(Unary::Copy, nest), &[view.buffer], out.buffer);
        Ok(out)
    }

    /// A copy made at every run.
    fn copied(&mut self, view: &View) -> Result<View, Refusal> {
        let out = self.fresh(&view.dims)?;
        let nest = self.nest(&[view, &out])?;
        self.push(Kernel::Place(nest), &[view.buffer], out.buffer);
        Ok(out)
    }

    pub(super) fn nest<const N: usize>(&self, views: &[&View; N]) -> Result<Nest<N>, Refusal> {
        Nest::new(views).ok_or_else(|| Refusal::Unsupported(format!("too many dimensions: {:?}", views[0].dims)))
    }

    /// Lays buffers over each other that are not needed at the same time, and numbers them anew:
    /// constants first.
    pub(super) fn finish(mut self) -> Result<Program, Refusal> {
        let mut outputs = Vec::new();
        for port in &self.graph.outputs {
            let view = self.view(&port.name)?;
            if port.shape.as_ref().is_some_and(|shape| *shape != view.dims) {
                return invalid(format!("output \"{}\" has a shape of {:?}, the graph says {:?}", port.name, view.dims, port.shape));
            }
            // What only passes is copied, so that an output is never an input's own buffer.
            let passes = self.inputs.contains(&view.buffer) || self.kept.contains(&view.buffer) || self.known(&view).is_some();
            outputs.push(if passes { self.copied(&view)? } else { self.dense(view)? });
        }
        let read: Vec<bool> = {
            let mut read = vec![false; self.buffers.len()];
            let operands = self.steps.iter().flat_map(|step| step.operands);
            operands.chain(outputs.iter().map(|view| view.buffer)).for_each(|number| read[number] = true);
            read
        };
        // What nobody reads is not computed. One pass is enough for what our exporters leave behind.
        self.steps.retain(|step| read[step.output]);
        let always: Vec<usize> = self.inputs.iter().chain(&self.kept).copied().chain(outputs.iter().map(|view| view.buffer)).collect();
        let mut last = vec![0; self.buffers.len()];
        for (index, step) in self.steps.iter().enumerate() {
            step.operands.iter().chain([&step.output]).for_each(|&number| last[number] = index);
        }
        always.iter().for_each(|&number| last[number] = usize::MAX);

        let mut constants = Vec::new();
        let mut place: Vec<Option<usize>> = vec![None; self.buffers.len()];
        for (number, buffer) in self.buffers.iter_mut().enumerate() {
            let needed = read[number];
            if let Some(values) = buffer.constant.take().filter(|_| needed) {
                place[number] = Some(constants.len());
                constants.push(values);
            }
        }
        let first = constants.len();
        let mut sizes: Vec<usize> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        for &number in self.inputs.iter().chain(&self.kept) {
            place[number] = Some(first + sizes.len());
            sizes.push(self.buffers[number].size);
        }
        for (index, step) in self.steps.iter().enumerate() {
            if place[step.output].is_none() {
                let size = self.buffers[step.output].size;
                let fits = |&slot: &usize| if sizes[slot] >= size { (0, sizes[slot] - size) } else { (1, size - sizes[slot]) };
                let slot = match free.iter().copied().min_by_key(fits) {
                    Some(slot) => {
                        free.retain(|&other| other != slot);
                        sizes[slot] = sizes[slot].max(size);
                        slot
                    }
                    None => {
                        sizes.push(size);
                        sizes.len() - 1
                    }
                };
                place[step.output] = Some(first + slot);
            }
            let mut done: Vec<usize> =
                step.operands.iter().chain([&step.output]).copied().filter(|&number| last[number] == index).collect();
            done.sort_unstable();
            done.dedup();
            free.extend(done.into_iter().filter_map(|number| place[number]).filter(|&slot| slot >= first).map(|slot| slot - first));
        }
        let mut done = 0;
        let work: Vec<usize> = self
            .steps
            .iter()
            .map(|step| {
                done += step.kernel.cost(self.buffers[step.output].size);
                done
            })
            .collect();
        let shares = work.iter().map(|&work| work as f32 / done.max(1) as f32).collect();
        let find = |number: usize| place[number].ok_or_else(|| Refusal::Invalid("an output that nothing computes".into()));
        for step in &mut self.steps {
            for number in step.operands.iter_mut().chain([&mut step.output]) {
                *number = find(*number)?;
            }
        }
        for view in &mut outputs {
            view.buffer = find(view.buffer)?;
        }
        let inputs = self.inputs.iter().map(|&number| find(number)).collect::<Result<_, _>>()?;
        let kept = self.kept.iter().map(|&number| find(number)).collect::<Result<_, _>>()?;
        debug_assert!(outputs.iter().all(|view| view.size() == size(&view.dims)));
        Ok(Program { constants, sizes, steps: self.steps, inputs, kept, outputs, shares, level: level() })
    }
}
