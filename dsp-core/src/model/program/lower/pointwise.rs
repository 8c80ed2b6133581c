//! Operators that work value by value, and sums over dimensions.

use super::super::build::{Builder, invalid, unsupported};
use super::super::pointwise::{Binary, Fold, Reduce, Unary};
use super::super::view::{View, common};
use super::super::{Kernel, Refusal};
use crate::model::onnx::Node;

impl Builder<'_> {
    /// Truth values are 0 and 1 in `f32` here, so a cast to `f32` changes nothing.
    pub(super) fn lower_cast(&mut self, node: &Node) -> Result<(), Refusal> {
        const FLOAT: i64 = 1;
        if node.kind == "Cast" && node.int("to", 0) != FLOAT {
            return unsupported("a cast to anything but f32");
        }
        let view = self.input(node, 0)?;
        self.output(node, view);
        Ok(())
    }

    pub(super) fn unary(&mut self, node: &Node, f: Unary) -> Result<(), Refusal> {
        let input = self.input(node, 0)?;
        let out = self.fresh(&input.dims)?;
        let nest = self.nest(&[&input])?;
        self.push(Kernel::Unary(f, nest), &[input.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    pub(super) fn clip(&mut self, node: &Node) -> Result<(), Refusal> {
        let bound = |index, none| -> Result<f32, Refusal> {
            match self.optional(node, index)? {
                None => Ok(none),
                Some(view) => self.scalar(&view).ok_or_else(|| Refusal::Unsupported("bounds that are not constant".into())),
            }
        };
        let (low, high) = (bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?);
        self.unary(node, Unary::Clip(low, high))
    }

    pub(super) fn power(&mut self, node: &Node) -> Result<(), Refusal> {
        match self.scalar(&self.input(node, 1)?) {
            Some(0.5) => self.unary(node, Unary::Sqrt),
            Some(2.0) => self.unary(node, Unary::Square),
            Some(exponent) => self.unary(node, Unary::Power(exponent)),
            None => self.binary(node, Binary::Power),
        }
    }

    pub(super) fn binary(&mut self, node: &Node, f: Binary) -> Result<(), Refusal> {
        if node.inputs.len() != 2 {
            return unsupported(format!("{} inputs", node.inputs.len()));
        }
        let views = [self.input(node, 0)?, self.input(node, 1)?];
        let out = self.combine(f, views)?;
        self.output(node, out);
        Ok(())
    }

    /// Two tensors value by value.
    pub(super) fn combine(&mut self, f: Binary, views: [View; 2]) -> Result<View, Refusal> {
        let [a, b] = Self::alike(views)?;
        let out = self.fresh(&a.dims)?;
        let nest = self.nest(&[&a, &b])?;
        self.push(Kernel::Binary(f, nest), &[a.buffer, b.buffer], out.buffer);
        Ok(out)
    }

    /// Tensors repeated to one shape.
    pub(super) fn alike<const N: usize>(views: [View; N]) -> Result<[View; N], Refusal> {
        let shapes: Vec<&[usize]> = views.iter().map(|view| view.dims.as_slice()).collect();
        let Some(dims) = common(&shapes) else { return invalid(format!("shapes that do not fit: {shapes:?}")) };
        let mut out = views.clone();
        for (to, from) in out.iter_mut().zip(&views) {
            match from.broadcast(&dims) {
                Some(view) => *to = view,
                None => return invalid(format!("shapes that do not fit: {shapes:?}")),
            }
        }
        Ok(out)
    }

    pub(super) fn choose(&mut self, node: &Node) -> Result<(), Refusal> {
        let views = Self::alike([self.input(node, 0)?, self.input(node, 1)?, self.input(node, 2)?])?;
        let [condition, a, b] = &views;
        let out = self.fresh(&a.dims)?;
        let nest = self.nest(&[condition, a, b])?;
        self.push(Kernel::Select(nest), &[condition.buffer, a.buffer, b.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    pub(super) fn relu(&mut self, node: &Node) -> Result<(), Refusal> {
        if let Some((view, step)) = self.product(node, 0)?
            && let Kernel::Matmul(matmul) = &mut self.steps[step].kernel
        {
            matmul.rectify = true;
            self.output(node, view);
            return Ok(());
        }
        self.unary(node, Unary::Relu)
    }

    pub(super) fn reduce(&mut self, node: &Node, fold: Fold) -> Result<(), Refusal> {
        let input = self.input(node, 0)?;
        let rank = input.dims.len();
        let axes = match self.numbers(node, 1, "axes")? {
            Some(axes) if !axes.is_empty() => axes.iter().map(|&axis| Self::axis(rank, axis)).collect::<Result<Vec<_>, _>>()?,
            _ => (0..rank).collect(),
        };
        let part = |gone: bool| {
            let keep = (0..rank).filter(|d| axes.contains(d) == gone);
            let (dims, strides) = keep.map(|d| (input.dims[d], input.strides[d])).unzip();
            View { buffer: input.buffer, offset: if gone { 0 } else { input.offset }, dims, strides }
        };
        let (kept, gone) = (part(false), part(true));
        let keep_dims = node.int("keepdims", 1) != 0;
        let one = |d: usize| if axes.contains(&d) { 1 } else { input.dims[d] };
        let dims = if keep_dims { (0..rank).map(one).collect() } else { kept.dims.clone() };
        let out = self.fresh(&dims)?;
        let reduce = Reduce { fold, kept: self.nest(&[&kept])?, gone: self.nest(&[&gone])? };
        self.push(Kernel::Reduce(reduce), &[input.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    pub(super) fn softmax(&mut self, node: &Node) -> Result<(), Refusal> {
        let input = self.input(node, 0)?;
        let axis = Self::axis(input.dims.len(), node.int("axis", -1))?;
        if axis + 1 != input.dims.len() {
            return unsupported("an axis that is not the last");
        }
        let input = if input.offset == 0 { self.dense(input)? } else { self.moved(input)? };
        let Some(&n) = input.dims.last() else { return unsupported("a single value") };
        let out = self.fresh(&input.dims)?;
        self.push(Kernel::Softmax(n), &[input.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }
}
