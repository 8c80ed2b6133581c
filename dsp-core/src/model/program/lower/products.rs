//! Matrix products, and what is drawn into them.

use super::super::build::{Builder, invalid, unsupported};
use super::super::matmul::{Bias, Matmul};
use super::super::pointwise::Binary;
use super::super::view::{View, common, dense};
use super::super::{Kernel, Refusal, Step};
use crate::model::onnx::Node;

impl Builder<'_> {
    /// The matrix product that gave this input, if nothing else needs its result as it is.
    pub(super) fn product(&mut self, node: &Node, index: usize) -> Result<Option<(View, usize)>, Refusal> {
        let view = self.input(node, index)?;
        if !self.used_once(&node.inputs[index]) || !view.is_dense() {
            return Ok(None);
        }
        let whole = self.size_of(view.buffer) == view.size();
        let maker = self.maker(view.buffer).filter(|&step| whole && matches!(self.steps[step].kernel, Kernel::Matmul(_)));
        Ok(maker.map(|step| (view, step)))
    }

    pub(super) fn add(&mut self, node: &Node) -> Result<(), Refusal> {
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
    pub(super) fn join(&mut self, view: &View, step: usize, other: &View) -> bool {
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
        let row_steps = dense(&view.dims[..last]);
        let rows_only = last >= 1
            && (spread.strides[last] == 0 || view.dims[last] == 1)
            && (0..last).all(|d| spread.strides[d] == row_steps[d] || view.dims[d] == 1);
        // A column that is computed as a row.
        let turned = matmul.n != view.dims[last];
        let columns = if turned { rows_only } else { outer_still && spread.strides[last] == 1 };
        if matmul.bias == Bias::None && columns {
            (matmul.bias, operands[2]) = (Bias::Columns(other.offset), other.buffer);
        } else if matmul.bias == Bias::None && rows_only && !turned {
            (matmul.bias, operands[2]) = (Bias::Rows(other.offset), other.buffer);
        } else if other.dims == view.dims && other.is_dense() {
            (matmul.other, operands[3]) = (Some(other.offset), other.buffer);
        } else {
            return false;
        }
        true
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<(), Refusal> {
        let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
        let out = self.multiply(a, b)?;
        self.output(node, out);
        Ok(())
    }

    /// Rows whose values are neighbours: as they are, or moved.
    pub(super) fn in_rows(&mut self, view: View) -> Result<View, Refusal> {
        let neighbours = view.strides.last().is_none_or(|&stride| stride == 1) || view.dims.last() == Some(&1);
        if neighbours { Ok(view) } else { self.moved(view) }
    }

    pub(super) fn multiply(&mut self, a: View, b: View) -> Result<View, Refusal> {
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
        // A single column would leave most of a register empty: constants are turned, and it becomes a row.
        let column = outer.is_empty() && n == 1 && m > 1 && self.known(&a).is_some() && b.is_dense();
        let (m, n) = if column {
            let turned = self.turned(a)?;
            a = View { dims: vec![1, k], strides: vec![k, 1], ..b };
            b = turned;
            (1, m)
        } else {
            (m, n)
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
    pub(super) fn turned(&mut self, view: View) -> Result<View, Refusal> {
        let (dims, strides) = ([view.dims[1], view.dims[0]].to_vec(), [view.strides[1], view.strides[0]].to_vec());
        let turned = View { dims, strides, ..view };
        self.moved(turned)
    }

    /// A product of matrices for each of some groups: `...gi,gih->...gh`.
    pub(super) fn einsum(&mut self, node: &Node) -> Result<(), Refusal> {
        let equation: String = node.text("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
        let other = || unsupported(format!("an equation of {equation}; ...gi,gih->...gh is known"));
        let Some((inputs, output)) = equation.split_once("->") else { return other() };
        let Some((a, b)) = inputs.split_once(',') else { return other() };
        let letters = |text: &str| text.chars().collect::<Vec<char>>();
        let (a, b, output) = (letters(a), letters(b), letters(output));
        let (&[g, i, h], Some(outer)) = (&b[..], a.len().checked_sub(2)) else { return other() };
        let mut all = [&a[..], &[h]].concat();
        all.sort_unstable();
        let unlike = all.windows(2).all(|pair| pair[0] != pair[1]) && all.iter().all(char::is_ascii_alphabetic);
        if !unlike || a[outer..] != [g, i] || output[..] != [&a[..outer], &[g, h]].concat()[..] || node.inputs.len() != 2 {
            return other();
        }
        let (x, w) = (self.input(node, 0)?, self.input(node, 1)?);
        if x.dims.len() != a.len() || w.dims.len() != 3 || x.dims[outer] != w.dims[0] {
            return invalid(format!("{:?} and {:?} for {equation}", x.dims, w.dims));
        }
        let mut row = x;
        row.dims.insert(outer + 1, 1);
        row.strides.insert(outer + 1, 0);
        let mut out = self.multiply(row, w)?;
        out.dims.remove(outer + 1);
        out.strides.remove(outer + 1);
        self.output(node, out);
        Ok(())
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Result<(), Refusal> {
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
    pub(super) fn plus(&mut self, product: View, bias: View) -> Result<View, Refusal> {
        if let Some(step) = self.maker(product.buffer)
            && self.join(&product, step, &bias)
        {
            return Ok(product);
        }
        self.combine(Binary::Add, [product, bias])
    }
}
