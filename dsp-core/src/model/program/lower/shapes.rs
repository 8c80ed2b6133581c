//! Operators that move values or only look at them differently.

use super::super::build::{Builder, Value, invalid, unsupported};
use super::super::view::{View, common, dense, size};
use super::super::{Kernel, Refusal};
use crate::model::onnx::Node;

impl Builder<'_> {
    pub(super) fn lower_constant(&mut self, node: &Node) -> Result<(), Refusal> {
        let Some(constant) = node.tensor("value").cloned() else { return unsupported("a constant that is no tensor") };
        let value = self.constant(&constant);
        if let Some(name) = node.outputs.first() {
            self.set(name, value);
        }
        Ok(())
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<(), Refusal> {
        let parts = (0..node.inputs.len()).map(|index| self.input(node, index)).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = parts.first() else { return invalid("nothing to join") };
        let axis = Self::axis(first.dims.len(), node.int("axis", 0))?;
        let out = self.join_parts(&parts, axis)?;
        self.output(node, out);
        Ok(())
    }

    /// Tensors behind each other along `axis`.
    pub(super) fn join_parts(&mut self, parts: &[View], axis: usize) -> Result<View, Refusal> {
        let mut dims = parts[0].dims.clone();
        let fits = |view: &View| view.dims.len() == dims.len() && (0..dims.len()).all(|d| d == axis || view.dims[d] == dims[d]);
        if !parts.iter().all(fits) {
            return invalid(format!("shapes that do not fit: {:?}", parts.iter().map(|view| &view.dims).collect::<Vec<_>>()));
        }
        dims[axis] = parts.iter().map(|view| view.dims[axis]).sum();
        let out = self.fresh(&dims)?;
        let mut at = 0;
        for part in parts {
            let to = View { offset: at * out.strides[axis], dims: part.dims.clone(), ..out.clone() };
            at += part.dims[axis];
            let nest = self.nest(&[part, &to])?;
            self.push(Kernel::Place(nest), &[part.buffer], out.buffer);
        }
        Ok(out)
    }

    pub(super) fn slice(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.sliced(node, self.input(node, 0)?)?;
        self.output(node, view);
        Ok(())
    }

    pub(super) fn sliced(&self, node: &Node, mut view: View) -> Result<View, Refusal> {
        let rank = view.dims.len();
        let (starts, ends) = (self.numbers(node, 1, "starts")?, self.numbers(node, 2, "ends")?);
        let (Some(starts), Some(ends)) = (starts, ends) else { return invalid("no bounds") };
        let axes = self.numbers(node, 3, "axes")?.unwrap_or_else(|| (0..i64::try_from(starts.len()).unwrap_or(0)).collect());
        let steps = self.numbers(node, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return invalid("bounds of unlike number");
        }
        for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = Self::axis(rank, axis)?;
            let n = i64::try_from(view.dims[axis]).unwrap_or(i64::MAX);
            let bound = |at: i64| if at < 0 { at.saturating_add(n).max(0) } else { at.min(n) };
            let (from, to) = (bound(start), bound(end));
            if step < 1 {
                return unsupported("steps backwards");
            }
            if to <= from {
                return invalid(format!("an empty slice {start}..{end} of {n}"));
            }
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            let (from, count) = (usize::try_from(from).unwrap_or(0), usize::try_from(to - from).unwrap_or(0));
            view.offset += from * view.strides[axis];
            view.dims[axis] = count.div_ceil(step);
            view.strides[axis] = view.strides[axis].saturating_mul(step);
        }
        Ok(view)
    }

    pub(super) fn split(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.input(node, 0)?;
        let axis = Self::axis(view.dims.len(), node.int("axis", 0))?;
        let (n, count) = (view.dims[axis], node.outputs.len());
        let sizes: Vec<usize> = match self.numbers(node, 1, "split")? {
            Some(sizes) => sizes.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect(),
            None => {
                let each = n.div_ceil(count.max(1));
                (0..count).map(|i| each.min(n.saturating_sub(i * each))).collect()
            }
        };
        if sizes.contains(&0) || sizes.iter().sum::<usize>() != n || sizes.len() != count {
            return invalid(format!("parts of {sizes:?} of {n}"));
        }
        let mut at = 0;
        for (name, size) in node.outputs.iter().zip(sizes) {
            let mut part = view.clone();
            part.offset += at * part.strides[axis];
            part.dims[axis] = size;
            at += size;
            self.set(name, Value::Floats(part));
        }
        Ok(())
    }

    pub(super) fn transpose(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = Self::transposed(node, self.input(node, 0)?)?;
        self.output(node, view);
        Ok(())
    }

    pub(super) fn transposed(node: &Node, view: View) -> Result<View, Refusal> {
        let rank = view.dims.len();
        let order: Vec<usize> = match node.ints("perm") {
            Some(order) => order.iter().map(|&axis| Self::axis(rank, axis)).collect::<Result<_, _>>()?,
            None => (0..rank).rev().collect(),
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted != (0..rank).collect::<Vec<_>>() {
            return invalid(format!("an order of {order:?} for {rank} axes"));
        }
        let pick = |values: &[usize]| order.iter().map(|&axis| values[axis]).collect();
        Ok(View { dims: pick(&view.dims), strides: pick(&view.strides), ..view })
    }

    pub(super) fn reshape(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.input(node, 0)?;
        let dims = self.reshaped_dims(node, &view.dims)?;
        let dense = self.dense(view)?;
        match dense.reshaped(dims.clone()) {
            Some(view) => self.output(node, view),
            None => return invalid(format!("a shape of {dims:?} for {:?}", dense.dims)),
        }
        Ok(())
    }

    /// The shape that a node gives to values with a shape of `own`.
    pub(super) fn reshaped_dims(&self, node: &Node, own: &[usize]) -> Result<Vec<usize>, Refusal> {
        let rank = own.len();
        Ok(match node.kind.as_str() {
            "Flatten" => {
                let axis = usize::try_from(node.int("axis", 1)).unwrap_or(0).min(rank);
                vec![own[..axis].iter().product(), own[axis..].iter().product()]
            }
            "Squeeze" => {
                let axes = match self.numbers(node, 1, "axes")? {
                    Some(axes) => axes.iter().map(|&axis| Self::axis(rank, axis)).collect::<Result<Vec<_>, _>>()?,
                    None => (0..rank).filter(|&d| own[d] == 1).collect(),
                };
                (0..rank).filter(|d| !axes.contains(d)).map(|d| own[d]).collect()
            }
            "Unsqueeze" => {
                let axes = self.numbers(node, 1, "axes")?.unwrap_or_default();
                let rank = rank + axes.len();
                let axes = axes.iter().map(|&axis| Self::axis(rank, axis)).collect::<Result<Vec<_>, _>>()?;
                let mut rest = own.iter().copied();
                (0..rank).map(|d| if axes.contains(&d) { Some(1) } else { rest.next() }).map(|n| n.unwrap_or(1)).collect()
            }
            _ => {
                let Some(asked) = self.numbers(node, 1, "shape")? else { return invalid("no shape") };
                let mut dims = Vec::with_capacity(asked.len());
                for (d, &n) in asked.iter().enumerate() {
                    dims.push(match n {
                        0 => own.get(d).copied().unwrap_or(0),
                        n => usize::try_from(n).unwrap_or(0),
                    });
                }
                if let Some(open) = asked.iter().position(|&n| n == -1) {
                    dims[open] = 1;
                    dims[open] = size(own) / dims.iter().product::<usize>().max(1);
                }
                dims
            }
        })
    }

    pub(super) fn expand(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.input(node, 0)?;
        let Some(asked) = self.numbers(node, 1, "shape")? else { return invalid("no shape") };
        let asked: Vec<usize> = asked.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        match common(&[&view.dims, &asked]).and_then(|dims| view.broadcast(&dims)) {
            Some(view) => self.output(node, view),
            None => return invalid(format!("a shape of {asked:?} for {:?}", view.dims)),
        }
        Ok(())
    }

    /// Values at constant places along an axis. Places at even distances are only looked at.
    pub(super) fn gather(&mut self, node: &Node) -> Result<(), Refusal> {
        let data = self.input(node, 0)?;
        let axis = Self::axis(data.dims.len(), node.int("axis", 0))?;
        let Some(Value::Ints(shape, places)) = node.inputs.get(1).map(|name| self.value(name)).transpose()?.cloned() else {
            return unsupported("places that are not constant");
        };
        let places = places.iter().map(|&place| Self::axis(data.dims[axis], place)).collect::<Result<Vec<_>, _>>()?;
        let Some(&first) = places.first() else { return invalid("no places") };
        // place = first + sum of index x step, in every dimension of the places?
        let rows = dense(&shape);
        let steps: Vec<isize> =
            (0..shape.len()).map(|d| if shape[d] > 1 { places[rows[d]].wrapping_sub(first) as isize } else { 0 }).collect();
        let even = places.iter().enumerate().all(|(at, &place)| {
            let far: isize = (0..shape.len()).map(|d| (at / rows[d] % shape[d]) as isize * steps[d]).sum();
            place as isize == first as isize + far
        });
        let around = |middle: &[usize], values: &[usize]| [&values[..axis], middle, &values[axis + 1..]].concat();
        let dims = around(&shape, &data.dims);
        if even && steps.iter().all(|&step| step >= 0) {
            let own: Vec<usize> = steps.iter().map(|&step| step.unsigned_abs() * data.strides[axis]).collect();
            let offset = data.offset + first * data.strides[axis];
            let view = View { buffer: data.buffer, offset, strides: around(&own, &data.strides), dims };
            self.output(node, view);
            return Ok(());
        }
        if places.len() > 4096 {
            return unsupported(format!("{} places", places.len()));
        }
        let flat = self.fresh(&around(&[places.len()], &data.dims))?;
        for (at, &place) in places.iter().enumerate() {
            let one = around(&[1], &data.dims);
            let from = View { offset: data.offset + place * data.strides[axis], dims: one.clone(), ..data.clone() };
            let to = View { offset: at * flat.strides[axis], dims: one, ..flat.clone() };
            let nest = self.nest(&[&from, &to])?;
            self.push(Kernel::Place(nest), &[data.buffer], flat.buffer);
        }
        match flat.reshaped(dims) {
            Some(view) => self.output(node, view),
            None => return invalid("places of another number"),
        }
        Ok(())
    }

    /// A copy of a tensor with parts at constant places replaced.
    pub(super) fn scatter(&mut self, node: &Node) -> Result<(), Refusal> {
        let (data, updates) = (self.input(node, 0)?, self.input(node, 2)?);
        let Some(Value::Ints(shape, places)) = node.inputs.get(1).map(|name| self.value(name)).transpose()?.cloned() else {
            return unsupported("places that are not constant");
        };
        if node.text("reduction", "none") != "none" {
            return unsupported("a reduction");
        }
        let depth = shape.last().copied().unwrap_or(0);
        if depth == 0 || depth > data.dims.len() {
            return invalid(format!("places of {shape:?} in {:?}", data.dims));
        }
        let count = size(&data.dims[depth..]);
        let steps = dense(&data.dims);
        let mut offsets = Vec::with_capacity(places.len() / depth);
        for place in places.chunks(depth) {
            let mut offset = 0;
            for (d, &index) in place.iter().enumerate() {
                offset += Self::axis(data.dims[d], index)? * steps[d];
            }
            offsets.push(offset);
        }
        if offsets.len() * count != updates.size() {
            return invalid(format!("{} values for {} places of {count}", updates.size(), offsets.len()));
        }
        let updates = if updates.offset == 0 { self.dense(updates)? } else { self.moved(updates)? };
        let out = self.fresh(&data.dims)?;
        let nest = self.nest(&[&data, &out])?;
        self.push(Kernel::Place(nest), &[data.buffer], out.buffer);
        self.push(Kernel::Scatter(count, offsets), &[updates.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }
}
