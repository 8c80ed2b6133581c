//! Operators of ONNX (opset 11 to 21) as views and steps.

use super::super::onnx::Node;
use super::build::{Builder, Value, invalid, unsupported};
use super::matmul::{Bias, Matmul};
use super::pointwise::{Binary, Fold, Reduce, Unary};
use super::view::{Nest, View, common, dense};
use super::{Kernel, Refusal, Step};

/// Operators in the forms of these versions are known.
pub(super) const OPSETS: std::ops::RangeInclusive<i64> = 11..=21;

impl Builder<'_> {
    /// Takes one node in.
    pub(super) fn lower(&mut self, node: &Node) -> Result<(), Refusal> {
        if !OPSETS.contains(&self.opset()) {
            return unsupported(format!("operators of version {}", self.opset()));
        }
        match node.kind.as_str() {
            "Constant" => self.lower_constant(node),
            "Identity" | "Cast" => self.lower_cast(node),
            "Abs" => self.unary(node, Unary::Abs),
            "Neg" => self.unary(node, Unary::Neg),
            "Relu" => self.relu(node),
            "LeakyRelu" => self.unary(node, Unary::Leaky(node.float("alpha", 0.01))),
            "Sqrt" => self.unary(node, Unary::Sqrt),
            "Exp" => self.unary(node, Unary::Exp),
            "Log" => self.unary(node, Unary::Log),
            "Sigmoid" => self.unary(node, Unary::Sigmoid),
            "Tanh" => self.unary(node, Unary::Tanh),
            "Softplus" => self.unary(node, Unary::Softplus),
            "Clip" => self.clip(node),
            "Add" => self.add(node),
            "Sub" => self.binary(node, Binary::Sub),
            "Mul" => self.binary(node, Binary::Mul),
            "Div" => self.binary(node, Binary::Div),
            "Max" => self.binary(node, Binary::Max),
            "Min" => self.binary(node, Binary::Min),
            "Greater" => self.binary(node, Binary::Greater),
            "Less" => self.binary(node, Binary::Less),
            "Pow" => self.power(node),
            "Where" => self.choose(node),
            "ReduceSum" => self.reduce(node, Fold::Sum),
            "ReduceMean" => self.reduce(node, Fold::Mean),
            "ReduceMax" => self.reduce(node, Fold::Max),
            "Softmax" => self.softmax(node),
            "MatMul" => self.matmul(node),
            "Gemm" => self.gemm(node),
            "GRU" => self.gru(node),
            "Concat" => self.concat(node),
            "Slice" => self.slice(node),
            "Split" => self.split(node),
            "Transpose" => self.transpose(node),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Expand" => self.expand(node),
            _ => unsupported("no such operator here"),
        }
    }

    fn input(&self, node: &Node, index: usize) -> Result<View, Refusal> {
        match self.optional(node, index)? {
            Some(view) => Ok(view),
            None => invalid(format!("input {index} is missing")),
        }
    }

    fn optional(&self, node: &Node, index: usize) -> Result<Option<View>, Refusal> {
        node.inputs.get(index).filter(|name| !name.is_empty()).map(|name| self.view(name)).transpose()
    }

    /// Whole numbers that say how: an input or, in older operators, an attribute.
    fn numbers(&self, node: &Node, index: usize, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        if let Some(values) = node.ints(name) {
            return Ok(Some(values.to_vec()));
        }
        match node.inputs.get(index).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(input) => match self.value(input)? {
                Value::Ints(values) => Ok(Some(values.clone())),
                Value::Floats(_) => unsupported(format!("{name} that are not known beforehand")),
            },
        }
    }

    fn output(&mut self, node: &Node, view: View) {
        if let Some(name) = node.outputs.first() {
            self.set(name, Value::Floats(view));
        }
    }

    fn axis(rank: usize, axis: i64) -> Result<usize, Refusal> {
        let length = i64::try_from(rank).unwrap_or(i64::MAX);
        let own = if axis < 0 { axis.saturating_add(length) } else { axis };
        match usize::try_from(own) {
            Ok(own) if own < rank => Ok(own),
            _ => invalid(format!("axis {axis} of a tensor with {rank}")),
        }
    }

    fn lower_constant(&mut self, node: &Node) -> Result<(), Refusal> {
        let Some(constant) = node.tensor("value").cloned() else { return unsupported("a constant that is no tensor") };
        let value = self.constant(&constant);
        if let Some(name) = node.outputs.first() {
            self.set(name, value);
        }
        Ok(())
    }

    /// Truth values are 0 and 1 in `f32` here, so a cast to `f32` changes nothing.
    fn lower_cast(&mut self, node: &Node) -> Result<(), Refusal> {
        const FLOAT: i64 = 1;
        if node.kind == "Cast" && node.int("to", 0) != FLOAT {
            return unsupported("a cast to anything but f32");
        }
        let view = self.input(node, 0)?;
        self.output(node, view);
        Ok(())
    }

    fn unary(&mut self, node: &Node, f: Unary) -> Result<(), Refusal> {
        let input = self.input(node, 0)?;
        let out = self.fresh(&input.dims)?;
        let nest = self.nest(&[&input])?;
        self.push(Kernel::Unary(f, nest), &[input.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    fn clip(&mut self, node: &Node) -> Result<(), Refusal> {
        let bound = |index, none| -> Result<f32, Refusal> {
            match self.optional(node, index)? {
                None => Ok(none),
                Some(view) => self.scalar(&view).ok_or_else(|| Refusal::Unsupported("bounds that are not constant".into())),
            }
        };
        let (low, high) = (bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?);
        self.unary(node, Unary::Clip(low, high))
    }

    /// The value of a constant that has one.
    fn scalar(&self, view: &View) -> Option<f32> {
        self.known(view).filter(|values| values.len() == 1).map(|values| values[0])
    }

    fn power(&mut self, node: &Node) -> Result<(), Refusal> {
        match self.scalar(&self.input(node, 1)?) {
            Some(0.5) => self.unary(node, Unary::Sqrt),
            Some(exponent) => self.unary(node, Unary::Power(exponent)),
            None => self.binary(node, Binary::Power),
        }
    }

    fn binary(&mut self, node: &Node, f: Binary) -> Result<(), Refusal> {
        if node.inputs.len() != 2 {
            return unsupported(format!("{} inputs", node.inputs.len()));
        }
        let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
        let [a, b] = Self::alike([a, b])?;
        let out = self.fresh(&a.dims)?;
        let nest = self.nest(&[&a, &b])?;
        self.push(Kernel::Binary(f, nest), &[a.buffer, b.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    /// Tensors repeated to one shape.
    fn alike<const N: usize>(views: [View; N]) -> Result<[View; N], Refusal> {
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

    fn choose(&mut self, node: &Node) -> Result<(), Refusal> {
        let views = Self::alike([self.input(node, 0)?, self.input(node, 1)?, self.input(node, 2)?])?;
        let [condition, a, b] = &views;
        let out = self.fresh(&a.dims)?;
        let nest = self.nest(&[condition, a, b])?;
        self.push(Kernel::Select(nest), &[condition.buffer, a.buffer, b.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    /// The matrix product that gave this input, if nothing else needs its result as it is.
    fn product(&mut self, node: &Node, index: usize) -> Result<Option<(View, usize)>, Refusal> {
        let view = self.input(node, index)?;
        if !self.used_once(&node.inputs[index]) || !view.is_dense() {
            return Ok(None);
        }
        let whole = self.size_of(view.buffer) == view.size();
        let maker = self.maker(view.buffer).filter(|&step| whole && matches!(self.steps[step].kernel, Kernel::Matmul(_)));
        Ok(maker.map(|step| (view, step)))
    }

    fn add(&mut self, node: &Node) -> Result<(), Refusal> {
        for (own, other) in [(0, 1), (1, 0)] {
            if let Some((view, step)) = self.product(node, own)? {
                let other = self.input(node, other)?;
                if self.join(&view, step, &other) {
                    self.output(node, view);
                    return Ok(());
                }
            }
        }
        self.binary(node, Binary::Add)
    }

    /// Adds `other` inside the matrix product that gives `view`, if that can be.
    fn join(&mut self, view: &View, step: usize, other: &View) -> bool {
        if !self.is_ready(other.buffer, step) || common(&[&view.dims, &other.dims]).as_ref() != Some(&view.dims) {
            return false;
        }
        let Some(spread) = other.broadcast(&view.dims) else { return false };
        let last = view.dims.len().saturating_sub(1);
        let Step { kernel: Kernel::Matmul(matmul), operands, .. } = &mut self.steps[step] else { return false };
        if matmul.rectify || matmul.other.is_some() {
            return false;
        }
        let outer_still = spread.strides[..last].iter().zip(&view.dims).all(|(&stride, &n)| stride == 0 || n == 1);
        let rows_only = last >= 1
            && (spread.strides[last] == 0 || view.dims[last] == 1)
            && spread.strides[last - 1] == 1
            && view.dims[..last - 1].iter().all(|&n| n == 1);
        if matmul.bias == Bias::None && outer_still && spread.strides[last] == 1 {
            (matmul.bias, operands[2]) = (Bias::Columns(other.offset), other.buffer);
        } else if matmul.bias == Bias::None && rows_only {
            (matmul.bias, operands[2]) = (Bias::Rows(other.offset), other.buffer);
        } else if other.dims == view.dims && other.is_dense() {
            (matmul.other, operands[3]) = (Some(other.offset), other.buffer);
        } else {
            return false;
        }
        true
    }

    fn relu(&mut self, node: &Node) -> Result<(), Refusal> {
        if let Some((view, step)) = self.product(node, 0)?
            && let Kernel::Matmul(matmul) = &mut self.steps[step].kernel
        {
            matmul.rectify = true;
            self.output(node, view);
            return Ok(());
        }
        self.unary(node, Unary::Relu)
    }

    fn reduce(&mut self, node: &Node, fold: Fold) -> Result<(), Refusal> {
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

    fn softmax(&mut self, node: &Node) -> Result<(), Refusal> {
        let input = self.input(node, 0)?;
        let axis = Self::axis(input.dims.len(), node.int("axis", -1))?;
        if axis + 1 != input.dims.len() {
            return unsupported("an axis that is not the last");
        }
        let input = self.dense(input)?;
        let Some(n) = input.dims.last().copied().filter(|_| input.offset == 0) else { return unsupported("a part of a tensor") };
        let out = self.fresh(&input.dims)?;
        self.push(Kernel::Softmax(n), &[input.buffer], out.buffer);
        self.output(node, out);
        Ok(())
    }

    fn matmul(&mut self, node: &Node) -> Result<(), Refusal> {
        let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
        let out = self.multiply(a, b)?;
        self.output(node, out);
        Ok(())
    }

    /// Rows whose values are neighbours: as they are, or moved.
    fn in_rows(&mut self, view: View) -> Result<View, Refusal> {
        let neighbours = view.strides.last().is_none_or(|&stride| stride == 1) || view.dims.last() == Some(&1);
        if neighbours { Ok(view) } else { self.moved(view) }
    }

    /// A copy in rows, whatever it was.
    fn moved(&mut self, view: View) -> Result<View, Refusal> {
        let out = self.fresh(&view.dims)?;
        let nest = self.nest(&[&view])?;
        self.push(Kernel::Unary(Unary::Copy, nest), &[view.buffer], out.buffer);
        Ok(out)
    }

    fn multiply(&mut self, a: View, b: View) -> Result<View, Refusal> {
        let (ranks, shapes) = ((a.dims.len(), b.dims.len()), format!("{:?} x {:?}", a.dims, b.dims));
        if ranks.0 < 2 || ranks.1 < 2 {
            return unsupported(format!("a product of {shapes}"));
        }
        let (mut a, mut b) = (self.in_rows(a)?, self.in_rows(b)?);
        let (m, k) = (a.dims[ranks.0 - 2], a.dims[ranks.0 - 1]);
        let n = b.dims[ranks.1 - 1];
        let outer = common(&[&a.dims[..ranks.0 - 2], &b.dims[..ranks.1 - 2]]);
        let Some(outer) = outer.filter(|_| b.dims[ranks.1 - 2] == k) else { return invalid(format!("a product of {shapes}")) };
        let mut out_dims = outer.clone();
        out_dims.extend([m, n]);
        // One matrix for all rows: a taller product instead of many.
        let joined = b.dims[..ranks.1 - 2].iter().all(|&n| n == 1) && a.dims[..ranks.0 - 2] == outer[..];
        let (outer, m) = if joined && a.is_dense() {
            let rows = m * outer.iter().product::<usize>();
            a = View { dims: vec![rows, k], strides: vec![k, 1], ..a };
            b = View { dims: vec![k, n], strides: b.strides[ranks.1 - 2..].to_vec(), ..b };
            (Vec::new(), rows)
        } else {
            (outer, m)
        };
        let spread = |view: &View, rows: usize, columns: usize| -> Result<View, Refusal> {
            let mut dims = outer.clone();
            dims.extend([rows, columns]);
            view.broadcast(&dims).ok_or_else(|| Refusal::Invalid(format!("a product of {shapes}")))
        };
        let (a, b) = (spread(&a, m, k)?, spread(&b, k, n)?);
        let steps = dense(&outer);
        let place = |view: &View, pair: usize| {
            let parts = steps.iter().zip(&outer).zip(&view.strides).map(|((&step, &n), &stride)| pair / step % n * stride);
            view.offset + parts.sum::<usize>()
        };
        let pairs = (0..outer.iter().product::<usize>()).map(|pair| [place(&a, pair), place(&b, pair)]).collect();
        let rank = outer.len();
        let kernel =
            Matmul { m, k, n, pairs, a_rows: a.strides[rank], b_rows: b.strides[rank], bias: Bias::None, other: None, rectify: false };
        let out = self.fresh(&out_dims)?;
        self.push(Kernel::Matmul(kernel), &[a.buffer, b.buffer], out.buffer);
        Ok(out)
    }

    /// Rows and columns changed; a constant is moved, so that products read neighbours.
    fn turned(&mut self, view: View) -> Result<View, Refusal> {
        let (dims, strides) = ([view.dims[1], view.dims[0]].to_vec(), [view.strides[1], view.strides[0]].to_vec());
        let turned = View { dims, strides, ..view };
        self.moved(turned)
    }

    fn gemm(&mut self, node: &Node) -> Result<(), Refusal> {
        let (mut a, mut b) = (self.input(node, 0)?, self.input(node, 1)?);
        if a.dims.len() != 2 || b.dims.len() != 2 {
            return invalid("operands that are no matrices");
        }
        if node.float("alpha", 1.0) != 1.0 || node.float("beta", 1.0) != 1.0 {
            return unsupported("factors other than 1");
        }
        if node.int("transA", 0) != 0 {
            a = self.turned(a)?;
        }
        if node.int("transB", 0) != 0 {
            b = self.turned(b)?;
        }
        let mut out = self.multiply(a, b)?;
        if let Some(bias) = self.optional(node, 2)? {
            out = self.plus(out, bias)?;
        }
        self.output(node, out);
        Ok(())
    }

    /// The sum of a product and a bias.
    fn plus(&mut self, product: View, bias: View) -> Result<View, Refusal> {
        if let Some(step) = self.maker(product.buffer)
            && self.join(&product, step, &bias)
        {
            return Ok(product);
        }
        let [a, b] = Self::alike([product, bias])?;
        let out = self.fresh(&a.dims)?;
        let nest = self.nest(&[&a, &b])?;
        self.push(Kernel::Binary(Binary::Add, nest), &[a.buffer, b.buffer], out.buffer);
        Ok(out)
    }

    /// One step in time, one direction, the reset gate behind the product.
    fn gru(&mut self, node: &Node) -> Result<(), Refusal> {
        let (x, w, r) = (self.input(node, 0)?, self.input(node, 1)?, self.input(node, 2)?);
        let plain = node.text("direction", "forward") == "forward"
            && node.int("linear_before_reset", 0) == 1
            && node.int("layout", 0) == 0
            && ["activations", "clip", "activation_alpha", "activation_beta"].iter().all(|name| !node.has(name))
            && node.inputs.get(4).is_none_or(String::is_empty);
        if !plain || x.dims.len() != 3 || x.dims[0] != 1 || w.dims.first() != Some(&1) {
            return unsupported("other than one step forward with linear_before_reset = 1");
        }
        let (Some(weights), Some(recurrent)) = (self.known(&w), self.known(&r)) else {
            return unsupported("weights that are not constant");
        };
        let (batch, width) = (x.dims[1], x.dims[2]);
        let hidden = r.dims.get(2).copied().unwrap_or(0);
        let gates = 3 * hidden;
        if hidden == 0 || w.dims != [1, gates, width] || r.dims != [1, gates, hidden] {
            return invalid(format!("weights of {:?} and {:?} for an input of {:?}", w.dims, r.dims, x.dims));
        }
        let h = match self.optional(node, 5)? {
            Some(h) => self.dense(h)?,
            None => self.keep(vec![1, batch, hidden], vec![0.0; batch * hidden]),
        };
        let x = self.dense(x)?;
        let (Some(x), Some(h)) = (x.reshaped(vec![batch, width]), h.reshaped(vec![batch, hidden])) else {
            return invalid("a state of another size");
        };
        let turn = |values: &[f32], columns: usize| -> Vec<f32> {
            (0..columns * gates).map(|i| values[i % gates * columns + i / gates]).collect()
        };
        let w = self.keep(vec![width, gates], turn(&weights, width));
        let r = self.keep(vec![hidden, gates], turn(&recurrent, hidden));
        let mut products = [self.multiply(x, w)?, self.multiply(h.clone(), r)?];
        if let Some(bias) = self.optional(node, 3)? {
            let Some(values) = self.known(&bias).filter(|values| values.len() == 2 * gates) else {
                return unsupported("a bias that is not constant");
            };
            for (product, part) in products.iter_mut().zip(values.chunks(gates)) {
                let part = self.keep(vec![gates], part.to_vec());
                *product = self.plus(product.clone(), part)?;
            }
        }
        let [input, state] = products;
        let out = self.fresh(&[batch, hidden])?;
        let kernel = Kernel::Gates { hidden, offsets: [input.offset, state.offset, h.offset] };
        self.push(kernel, &[input.buffer, state.buffer, h.buffer], out.buffer);
        for (name, dims) in node.outputs.iter().zip([vec![1, 1, batch, hidden], vec![1, batch, hidden]]) {
            self.set(name, Value::Floats(View::whole(out.buffer, dims)));
        }
        Ok(())
    }

    fn concat(&mut self, node: &Node) -> Result<(), Refusal> {
        let parts = (0..node.inputs.len()).map(|index| self.input(node, index)).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = parts.first() else { return invalid("nothing to join") };
        let axis = Self::axis(first.dims.len(), node.int("axis", 0))?;
        let mut dims = first.dims.clone();
        let fits = |view: &View| view.dims.len() == dims.len() && (0..dims.len()).all(|d| d == axis || view.dims[d] == dims[d]);
        if !parts.iter().all(fits) {
            return invalid(format!("shapes that do not fit: {:?}", parts.iter().map(|view| &view.dims).collect::<Vec<_>>()));
        }
        dims[axis] = parts.iter().map(|view| view.dims[axis]).sum();
        let out = self.fresh(&dims)?;
        let mut at = 0;
        for part in &parts {
            let to = View { offset: at * out.strides[axis], dims: part.dims.clone(), ..out.clone() };
            at += part.dims[axis];
            let nest: Nest<2> = self.nest(&[part, &to])?;
            self.push(Kernel::Place(nest), &[part.buffer], out.buffer);
        }
        self.output(node, out);
        Ok(())
    }

    fn slice(&mut self, node: &Node) -> Result<(), Refusal> {
        let mut view = self.input(node, 0)?;
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
        self.output(node, view);
        Ok(())
    }

    fn split(&mut self, node: &Node) -> Result<(), Refusal> {
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
        if sizes.iter().any(|&size| size == 0) || sizes.iter().sum::<usize>() != n || sizes.len() != count {
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

    fn transpose(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.input(node, 0)?;
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
        let turned = View { dims: pick(&view.dims), strides: pick(&view.strides), ..view };
        self.output(node, turned);
        Ok(())
    }

    fn reshape(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.input(node, 0)?;
        let rank = view.dims.len();
        let dims: Vec<usize> = match node.kind.as_str() {
            "Flatten" => {
                let axis = usize::try_from(node.int("axis", 1)).unwrap_or(0).min(rank);
                vec![view.dims[..axis].iter().product(), view.dims[axis..].iter().product()]
            }
            "Squeeze" => {
                let axes = match self.numbers(node, 1, "axes")? {
                    Some(axes) => axes.iter().map(|&axis| Self::axis(rank, axis)).collect::<Result<Vec<_>, _>>()?,
                    None => (0..rank).filter(|&d| view.dims[d] == 1).collect(),
                };
                (0..rank).filter(|d| !axes.contains(d)).map(|d| view.dims[d]).collect()
            }
            "Unsqueeze" => {
                let axes = self.numbers(node, 1, "axes")?.unwrap_or_default();
                let rank = rank + axes.len();
                let axes = axes.iter().map(|&axis| Self::axis(rank, axis)).collect::<Result<Vec<_>, _>>()?;
                let mut rest = view.dims.iter().copied();
                (0..rank).map(|d| if axes.contains(&d) { Some(1) } else { rest.next() }).map(|n| n.unwrap_or(1)).collect()
            }
            _ => {
                let Some(asked) = self.numbers(node, 1, "shape")? else { return invalid("no shape") };
                let mut dims = Vec::with_capacity(asked.len());
                for (d, &n) in asked.iter().enumerate() {
                    dims.push(match n {
                        0 => view.dims.get(d).copied().unwrap_or(0),
                        n => usize::try_from(n).unwrap_or(0),
                    });
                }
                if let Some(open) = asked.iter().position(|&n| n == -1) {
                    dims[open] = 1;
                    dims[open] = view.size() / dims.iter().product::<usize>().max(1);
                }
                dims
            }
        };
        let dense = self.dense(view)?;
        match dense.reshaped(dims.clone()) {
            Some(view) => self.output(node, view),
            None => return invalid(format!("a shape of {dims:?} for {:?}", dense.dims)),
        }
        Ok(())
    }

    fn expand(&mut self, node: &Node) -> Result<(), Refusal> {
        let view = self.input(node, 0)?;
        let Some(asked) = self.numbers(node, 1, "shape")? else { return invalid("no shape") };
        let asked: Vec<usize> = asked.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        match common(&[&view.dims, &asked]).and_then(|dims| view.broadcast(&dims)) {
            Some(view) => self.output(node, view),
            None => return invalid(format!("a shape of {asked:?} for {:?}", view.dims)),
        }
        Ok(())
    }
}
