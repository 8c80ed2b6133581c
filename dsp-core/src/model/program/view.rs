//! Where a tensor's values lie: a place in a buffer, a shape, and strides, so that slices and transposes
//! move nothing.

/// Most dimensions that a loop runs over once neighbours are joined.
pub const LOOPS: usize = 4;

/// A tensor in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Number of the buffer.
    pub buffer: usize,
    /// Place of its first value.
    pub offset: usize,
    /// Shape.
    pub dims: Vec<usize>,
    /// Distance of neighbours in each dimension; 0 where one value stands for all.
    pub strides: Vec<usize>,
}

/// Number of values of a shape.
pub fn size(dims: &[usize]) -> usize {
    dims.iter().product()
}

/// Strides of values that lie row by row.
pub fn dense(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for d in (1..dims.len()).rev() {
        strides[d - 1] = strides[d] * dims[d];
    }
    strides
}

impl View {
    /// A whole buffer, row by row.
    pub fn whole(buffer: usize, dims: Vec<usize>) -> Self {
        Self { buffer, offset: 0, strides: dense(&dims), dims }
    }

    /// Number of values.
    pub fn size(&self) -> usize {
        size(&self.dims)
    }

    /// True when the values lie row by row without gaps.
    pub fn is_dense(&self) -> bool {
        let want = dense(&self.dims);
        self.dims.iter().zip(self.strides.iter().zip(&want)).all(|(&n, (a, b))| n == 1 || a == b)
    }

    /// The same values under another shape; none when they would have to be moved.
    pub fn reshaped(&self, dims: Vec<usize>) -> Option<Self> {
        (self.is_dense() && size(&dims) == self.size()).then(|| Self { strides: dense(&dims), dims, ..self.clone() })
    }

    /// The same values, repeated to fill `dims` (NumPy's rules); none when they do not fit.
    pub fn broadcast(&self, dims: &[usize]) -> Option<Self> {
        let fresh = dims.len().checked_sub(self.dims.len())?;
        let mut strides = vec![0; dims.len()];
        for (d, (&n, &stride)) in self.dims.iter().zip(&self.strides).enumerate() {
            match (n, dims[fresh + d]) {
                (n, m) if n == m => strides[fresh + d] = stride,
                (1, _) => {}
                _ => return None,
            }
        }
        Some(Self { dims: dims.to_vec(), strides, ..self.clone() })
    }
}

/// Shape that several shapes are repeated to; none when they do not fit.
pub fn common(shapes: &[&[usize]]) -> Option<Vec<usize>> {
    let rank = shapes.iter().map(|dims| dims.len()).max()?;
    let mut out = vec![1; rank];
    for dims in shapes {
        for (have, &n) in out[rank - dims.len()..].iter_mut().zip(*dims) {
            if *have == 1 {
                *have = n;
            } else if n != 1 && n != *have {
                return None;
            }
        }
    }
    Some(out)
}

/// Loops over `N` operands of one shape, with neighbouring dimensions joined where all of them allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nest<const N: usize> {
    /// Lengths, outermost first.
    pub dims: [usize; LOOPS],
    /// Strides of each operand.
    pub strides: [[usize; LOOPS]; N],
    /// First value of each operand.
    pub offsets: [usize; N],
}

impl<const N: usize> Nest<N> {
    /// Loops over `views`, which have one shape; none when more than [`LOOPS`] are needed.
    pub fn new(views: &[&View; N]) -> Option<Self> {
        let mut dims: Vec<usize> = Vec::new();
        let mut strides: [Vec<usize>; N] = std::array::from_fn(|_| Vec::new());
        for d in 0..views[0].dims.len() {
            let n = views[0].dims[d];
            if n == 1 {
                continue;
            }
            let joins = !dims.is_empty() && (0..N).all(|v| strides[v].last() == Some(&(views[v].strides[d] * n)));
            if joins {
                if let Some(last) = dims.last_mut() {
                    *last *= n;
                }
            } else {
                dims.push(n);
            }
            for (own, view) in strides.iter_mut().zip(views) {
                if joins {
                    own.pop();
                }
                own.push(view.strides[d]);
            }
        }
        let fill = LOOPS.checked_sub(dims.len())?;
        let mut nest = Self { dims: [1; LOOPS], strides: [[0; LOOPS]; N], offsets: views.map(|view| view.offset) };
        nest.dims[fill..].copy_from_slice(&dims);
        for (to, from) in nest.strides.iter_mut().zip(&strides) {
            to[fill..].copy_from_slice(from);
        }
        Some(nest)
    }

    /// Number of values.
    pub fn size(&self) -> usize {
        size(&self.dims)
    }

    /// The operands' places of each innermost row, with the number of the row.
    #[inline(always)]
    pub fn rows(&self) -> Rows<'_, N> {
        Rows { nest: self, at: [0; LOOPS - 1], row: 0, rows: self.dims[..LOOPS - 1].iter().product() }
    }
}

/// See [`Nest::rows`]. An iterator, and no function that calls another: what stands in its loop is compiled for the
/// instructions of the function around it.
#[derive(Clone, Debug)]
pub struct Rows<'a, const N: usize> {
    nest: &'a Nest<N>,
    at: [usize; LOOPS - 1],
    row: usize,
    rows: usize,
}

impl<const N: usize> Iterator for Rows<'_, N> {
    type Item = (usize, [usize; N]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.row == self.rows {
            return None;
        }
        let [i, j, k] = self.at;
        let mut at = self.nest.offsets;
        for (place, s) in at.iter_mut().zip(&self.nest.strides) {
            *place += i * s[0] + j * s[1] + k * s[2];
        }
        let row = self.row;
        self.row += 1;
        self.at[2] += 1;
        if self.at[2] == self.nest.dims[2] {
            self.at = [i, j + 1, 0];
            if j + 1 == self.nest.dims[1] {
                self.at = [i + 1, 0, 0];
            }
        }
        Some((row, at))
    }
}
