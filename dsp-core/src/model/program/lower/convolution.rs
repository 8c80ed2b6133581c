//! Convolutions, as products of weights with shifted copies of the input.

use super::super::build::{Builder, Value, invalid, unsupported};
use super::super::view::{View, dense, size};
use super::super::{Kernel, Refusal};
use crate::model::onnx::Node;

/// What a convolution over two dimensions is told, outer dimension first.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Before and after each dimension; negative where values are left out.
    pads: [[i64; 2]; 2],
    groups: usize,
}

/// A whole number as `i64`; shapes are small.
fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Builder<'_> {
    /// Reads attributes; a convolution over one dimension is one over two of which the first has length 1.
    fn geometry(node: &Node, weights: &[usize]) -> Result<Geometry, Refusal> {
        let flat = weights.len() == 3;
        let pair = |name: &str| -> Result<[usize; 2], Refusal> {
            let values = match node.ints(name) {
                None => return Ok([1, 1]),
                Some([value]) if flat => [1, *value],
                Some([a, b]) if !flat => [*a, *b],
                Some(values) => return invalid(format!("{name} of {values:?}")),
            };
            match values.map(usize::try_from) {
                [Ok(a), Ok(b)] if a > 0 && b > 0 => Ok([a, b]),
                _ => invalid(format!("{name} of {values:?}")),
            }
        };
        let pads = match (node.text("auto_pad", "NOTSET"), node.ints("pads")) {
            ("NOTSET", Some([a, b])) if flat => [[0, 0], [*a, *b]],
            ("NOTSET", Some([a, b, c, d])) if !flat => [[*a, *c], [*b, *d]],
            ("NOTSET", None) | ("VALID", _) => [[0, 0]; 2],
            (kind, pads) => return unsupported(format!("padding {kind} {pads:?}")),
        };
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let kernel = if flat { [1, weights[2]] } else { [weights[2], weights[3]] };
        let geometry = Geometry { kernel, strides: pair("strides")?, dilations: pair("dilations")?, pads, groups };
        let most = geometry.pads.as_flattened().iter().chain(&[signed(kernel[0]), signed(kernel[1])]).any(|v| v.abs() > 1 << 16);
        if groups == 0 || most { invalid(format!("{geometry:?}")) } else { Ok(geometry) }
    }

    /// Input `[1, channels, h, w]`, weights and their shape.
    fn operands(&self, node: &Node) -> Result<(View, Vec<f32>, Vec<usize>), Refusal> {
        let (x, w) = (self.input(node, 0)?, self.input(node, 1)?);
        let Some(weights) = self.known(&w) else { return unsupported("weights that are not constant") };
        if x.dims.len() != w.dims.len() || !(3..=4).contains(&x.dims.len()) || x.dims[0] != 1 {
            return unsupported(format!("an input of {:?} with weights of {:?}", x.dims, w.dims));
        }
        let mut x = x;
        if x.dims.len() == 3 {
            x.dims.insert(2, 1);
            x.strides.insert(2, 0);
        }
        Ok((x, weights, w.dims))
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<(), Refusal> {
        let (mut x, weights, shape) = self.operands(node)?;
        let mut geometry = Self::geometry(node, &shape)?;
        for d in 0..2 {
            let [before, after] = geometry.pads[d];
            if self.is_sequence() && x.dims[2 + d] == 1 && before > 0 && after == 0 {
                x = self.behind_its_past(x, 2 + d, usize::try_from(before).unwrap_or(0))?;
                geometry.pads[d] = [0, 0];
            }
        }
        let out = self.convolve(&x, weights, shape[0], &geometry)?;
        self.finish_conv(node, out, shape.len())
    }

    /// The same as a convolution of the stretched input with the weights turned around.
    pub(super) fn conv_transpose(&mut self, node: &Node) -> Result<(), Refusal> {
        let (x, weights, shape) = self.operands(node)?;
        let mut geometry = Self::geometry(node, &shape)?;
        if node.has("output_shape") {
            return unsupported("an output shape that is asked for");
        }
        let extra = match node.ints("output_padding") {
            None => [0, 0],
            Some([value]) if shape.len() == 3 => [0, *value],
            Some([a, b]) => [*a, *b],
            Some(values) => return invalid(format!("output_padding of {values:?}")),
        };
        let (groups, channels) = (geometry.groups, x.dims[1]);
        if shape[0] != channels || !channels.is_multiple_of(groups) {
            return invalid(format!("{channels} channels in {groups} groups with weights of {shape:?}"));
        }
        let (each, own, area) = (shape[1], channels / groups, size(&geometry.kernel));
        let mut turned = vec![0.0; weights.len()];
        for (at, &weight) in weights.iter().enumerate() {
            let (channel, out, tap) = (at / (each * area), at / area % each, at % area);
            let group = channel / own;
            turned[((group * each + out) * own + channel % own) * area + area - 1 - tap] = weight;
        }
        let stretched: Vec<usize> = (0..2).map(|d| (x.dims[2 + d] - 1) * geometry.strides[d] + 1).collect();
        let wide = self.fresh(&[1, channels, stretched[0], stretched[1]])?;
        let mut places = wide.clone();
        for d in 0..2 {
            places.dims[2 + d] = x.dims[2 + d];
            places.strides[2 + d] *= geometry.strides[d];
        }
        self.push(Kernel::Fill(0.0), &[x.buffer], wide.buffer);
        let nest = self.nest(&[&x, &places])?;
        self.push(Kernel::Place(nest), &[x.buffer], wide.buffer);
        for (d, extra) in extra.into_iter().enumerate() {
            let reach = signed(geometry.dilations[d] * (geometry.kernel[d] - 1));
            geometry.pads[d] = [reach - geometry.pads[d][0], reach - geometry.pads[d][1] + extra];
        }
        geometry.strides = [1, 1];
        let out = self.convolve(&wide, turned, groups * each, &geometry)?;
        self.finish_conv(node, out, shape.len())
    }

    /// Adds the bias, and gives the output its shape.
    fn finish_conv(&mut self, node: &Node, product: View, rank: usize) -> Result<(), Refusal> {
        let (rows, shape) = (product.dims[..product.dims.len() - 2].to_vec(), product.dims[product.dims.len() - 2..].to_vec());
        let [groups, each] = [rows[0], rows[1]];
        let flat = View { dims: vec![groups, each, size(&shape)], strides: dense(&[groups, each, size(&shape)]), ..product };
        let flat = match self.optional(node, 2)? {
            None => flat,
            Some(bias) => {
                let bias = self.dense(bias)?;
                match bias.reshaped(vec![groups, each, 1]) {
                    Some(bias) => self.plus(flat, bias)?,
                    None => return invalid(format!("a bias of {:?} for {} channels", bias.dims, groups * each)),
                }
            }
        };
        let mut dims = vec![1, groups * each];
        dims.extend(if rank == 3 { &shape[1..] } else { &shape[..] });
        match flat.reshaped(dims) {
            Some(view) => self.output(node, view),
            None => return invalid("an output of another size"),
        }
        Ok(())
    }

    /// The product `[groups][outputs of a group][h][w]`.
    fn convolve(&mut self, x: &View, weights: Vec<f32>, outputs: usize, geometry: &Geometry) -> Result<View, Refusal> {
        let Geometry { kernel, strides, dilations, pads, groups } = *geometry;
        let channels = x.dims[1];
        let area = size(&kernel);
        let (own, each) = (channels / groups, outputs / groups);
        if !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) || weights.len() != outputs * own * area {
            return invalid(format!("{channels} channels, {outputs} outputs, {groups} groups, {} weights", weights.len()));
        }
        let mut shape = [0; 2];
        for d in 0..2 {
            let room = signed(x.dims[2 + d]) + pads[d][0] + pads[d][1] - signed(dilations[d] * (kernel[d] - 1)) - 1;
            match usize::try_from(room) {
                Ok(room) => shape[d] = room / strides[d] + 1,
                Err(_) => return invalid(format!("a kernel that is larger than its input: {geometry:?}")),
            }
        }
        let places = size(&shape);
        let plain = area == 1 && strides == [1, 1] && pads == [[0, 0]; 2];
        let columns = if plain {
            let dense = self.dense(x.clone())?;
            View { dims: vec![channels, places], strides: vec![places, 1], ..dense }
        } else {
            let columns = self.fresh(&[channels, area, shape[0], shape[1]])?;
            if pads != [[0, 0]; 2] {
                self.push(Kernel::Fill(0.0), &[x.buffer], columns.buffer);
            }
            for tap in 0..area {
                self.shift(x, &columns, tap, shape, geometry)?;
            }
            columns
        };
        let depth = own * area;
        let weights = self.keep(vec![groups, each, depth], weights);
        let columns = View { dims: vec![groups, depth, places], strides: vec![depth * places, places, 1], ..columns };
        let product = self.multiply(weights, columns)?;
        let dims = vec![groups, each, shape[0], shape[1]];
        Ok(View { strides: dense(&dims), dims, ..product })
    }

    /// Copies the values that a tap of the kernel sees to its rows of `columns`.
    fn shift(&mut self, x: &View, columns: &View, tap: usize, shape: [usize; 2], geometry: &Geometry) -> Result<(), Refusal> {
        let at = [tap / geometry.kernel[1], tap % geometry.kernel[1]];
        let mut from = View { dims: vec![x.dims[1], 0, 0], strides: vec![x.strides[1], 0, 0], ..x.clone() };
        let mut to = View {
            dims: from.dims.clone(),
            strides: vec![columns.strides[0], columns.strides[2], columns.strides[3]],
            offset: tap * columns.strides[1],
            ..columns.clone()
        };
        for d in 0..2 {
            let stride = signed(geometry.strides[d]);
            let start = signed(at[d] * geometry.dilations[d]) - geometry.pads[d][0];
            // Outputs whose input `start + stride * out` lies within the tensor.
            let first = (-start).max(0).div_euclid(stride) + i64::from((-start).max(0).rem_euclid(stride) != 0);
            let last = (signed(x.dims[2 + d]) - 1 - start).div_euclid(stride).min(signed(shape[d]) - 1);
            let (Ok(first), Ok(count)) = (usize::try_from(first), usize::try_from(last - first + 1)) else { return Ok(()) };
            if count == 0 {
                return Ok(());
            }
            let begin = usize::try_from(start + stride * signed(first)).unwrap_or(0);
            from.offset += begin * x.strides[2 + d];
            from.dims[1 + d] = count;
            from.strides[1 + d] = x.strides[2 + d] * geometry.strides[d];
            to.offset += first * to.strides[1 + d];
            to.dims[1 + d] = count;
        }
        let nest = self.nest(&[&from, &to])?;
        self.push(Kernel::Place(nest), &[x.buffer], columns.buffer);
        Ok(())
    }

    pub(super) fn pad(&mut self, node: &Node) -> Result<(), Refusal> {
        let x = self.input(node, 0)?;
        let rank = x.dims.len();
        if node.text("mode", "constant") != "constant" {
            return unsupported(format!("mode {}", node.text("mode", "")));
        }
        let value = match self.optional(node, 2)? {
            None => node.float("value", 0.0),
            Some(view) => self.scalar(&view).ok_or_else(|| Refusal::Unsupported("a value that is not constant".into()))?,
        };
        let Some(pads) = self.numbers(node, 1, "pads")? else { return invalid("no widths") };
        let pads: Vec<usize> = pads.iter().map(|&width| usize::try_from(width).unwrap_or(usize::MAX)).collect();
        if pads.len() != 2 * rank || pads.iter().any(|&width| width > 1 << 16) {
            return unsupported(format!("widths of {pads:?}"));
        }
        if pads.iter().all(|&width| width == 0) {
            self.output(node, x);
            return Ok(());
        }
        let before: Vec<usize> = (0..rank).filter(|&d| pads[d] > 0).collect();
        if let &[axis] = &before[..]
            && self.is_sequence()
            && x.dims[axis] == 1
            && value == 0.0
            && pads[rank..].iter().all(|&width| width == 0)
        {
            let out = self.behind_its_past(x, axis, pads[axis])?;
            self.output(node, out);
            return Ok(());
        }
        let dims: Vec<usize> = (0..rank).map(|d| x.dims[d] + pads[d] + pads[rank + d]).collect();
        let out = self.fresh(&dims)?;
        let mut to = View { dims: x.dims.clone(), ..out.clone() };
        to.offset = pads[..rank].iter().zip(&out.strides).map(|(width, stride)| width * stride).sum();
        self.push(Kernel::Fill(value), &[x.buffer], out.buffer);
        let nest = self.nest(&[&x, &to])?;
        self.push(Kernel::Place(nest), &[x.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    /// Normalisation by constants: a factor and a summand for each channel.
    pub(super) fn normalise(&mut self, node: &Node) -> Result<(), Refusal> {
        let x = self.input(node, 0)?;
        let channels = x.dims.get(1).copied().unwrap_or(0);
        let mut known = Vec::new();
        for index in 1..5 {
            let view = self.input(node, index)?;
            match self.known(&view).filter(|values| values.len() == channels) {
                Some(values) => known.push(values),
                None => return unsupported("statistics that are not constant"),
            }
        }
        let epsilon = node.float("epsilon", 1e-5);
        let factor: Vec<f32> = known[0].iter().zip(&known[3]).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
        let summand = (0..channels).map(|c| known[1][c] - known[2][c] * factor[c]).collect();
        let mut dims = vec![1; x.dims.len() - 1];
        dims[0] = channels;
        let (factor, summand) = (self.keep(dims.clone(), factor), self.keep(dims, summand));
        let scaled = self.combine(super::Binary::Mul, [x, factor])?;
        let out = self.combine(super::Binary::Add, [scaled, summand])?;
        self.set(&node.outputs[0], Value::Floats(out));
        Ok(())
    }
}
