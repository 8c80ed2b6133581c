//! Matrix products in register tiles, with what follows them: bias, sum with another tensor, rectifier.

use super::lanes::Lanes;

/// What is added to every product before the rectifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Nothing.
    None,
    /// One value a column; where it begins in the third operand.
    Columns(usize),
    /// One value a row, of one pair after the other; where it begins in the third operand.
    Rows(usize),
}

/// `out[m][n] = sum_k a[m][k] b[k][n] + bias + other[m][n]`, rectified where asked, for each pair of
/// matrices. Operands: `a`, `b`, bias, other; columns of `a`, `b` and `other` are neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matmul {
    /// Rows of `a`.
    pub m: usize,
    /// Columns of `a`.
    pub k: usize,
    /// Columns of `b`.
    pub n: usize,
    /// Where each pair of matrices begins.
    pub pairs: Vec<[usize; 2]>,
    /// Distance of rows in `a`.
    pub a_rows: usize,
    /// Distance of rows in `b`.
    pub b_rows: usize,
    /// What is added.
    pub bias: Bias,
    /// Where the other tensor begins, if there is one.
    pub other: Option<usize>,
    /// Negative results become 0.
    pub rectify: bool,
}

/// Rows of a tile. Six of two vectors leave four of sixteen registers for operands.
const ROWS: usize = 6;
/// Rows of the tiles that are left below those: as many sums at a time, in longer rows, as it takes to hide the latency of
/// one.
const FEW: usize = 3;
const PAIR: usize = 2;

/// Vectors in a row of the widest tile of so many rows.
const fn widest(rows: usize) -> usize {
    match rows {
        1 => 8,
        PAIR | FEW => 4,
        _ => 2,
    }
}

struct Part<'a> {
    a: &'a [f32],
    b: &'a [f32],
    bias: &'a [f32],
    other: Option<&'a [f32]>,
}

impl Matmul {
    /// Runs it.
    ///
    /// # Safety
    /// The processor must have the instructions of `L`.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(&self, [a, b, bias, other]: [&[f32]; 4], out: &mut [f32]) {
        let bias = match self.bias {
            Bias::None => &[],
            Bias::Columns(at) | Bias::Rows(at) => &bias[at..],
        };
        let size = self.m * self.n;
        for (pair, &[a_at, b_at]) in self.pairs.iter().enumerate() {
            let other = self.other.map(|at| &other[at + pair * size..][..size]);
            let bias = if matches!(self.bias, Bias::Rows(_)) { &bias[pair * self.m..] } else { bias };
            let part = Part { a: &a[a_at..], b: &b[b_at..], bias, other };
            let out = &mut out[pair * size..][..size];
            let mut row = 0;
            // SAFETY: as this function.
            unsafe {
                while row + ROWS <= self.m {
                    self.band::<L, ROWS>(&part, row, out);
                    row += ROWS;
                }
                while row + FEW <= self.m {
                    self.band::<L, FEW>(&part, row, out);
                    row += FEW;
                }
                if row + PAIR <= self.m {
                    self.band::<L, PAIR>(&part, row, out);
                    row += PAIR;
                }
                if row < self.m {
                    self.band::<L, 1>(&part, row, out);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn band<L: Lanes, const R: usize>(&self, part: &Part<'_>, row: usize, out: &mut [f32]) {
        let mut column = 0;
        // SAFETY: as `run`.
        unsafe {
            while widest(R) >= 8 && column + 8 * L::COUNT <= self.n {
                self.tile::<L, R, 8>(part, row, column, None, out);
                column += 8 * L::COUNT;
            }
            while widest(R) >= 4 && column + 4 * L::COUNT <= self.n {
                self.tile::<L, R, 4>(part, row, column, None, out);
                column += 4 * L::COUNT;
            }
            while column + 2 * L::COUNT <= self.n {
                self.tile::<L, R, 2>(part, row, column, None, out);
                column += 2 * L::COUNT;
            }
            if column + L::COUNT <= self.n {
                self.tile::<L, R, 1>(part, row, column, None, out);
                column += L::COUNT;
            }
            if column < self.n {
                self.tile::<L, R, 1>(part, row, column, Some(self.n - column), out);
            }
        }
    }

    /// `R` rows of `V` vectors; of one vector only the first lanes where `narrow` tells how many.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "with constant ranges all sums stay in registers; through iterators some went to the stack"
    )]
    unsafe fn tile<L: Lanes, const R: usize, const V: usize>(
        &self,
        part: &Part<'_>,
        row: usize,
        column: usize,
        narrow: Option<usize>,
        out: &mut [f32],
    ) {
        let width = narrow.unwrap_or(V * L::COUNT);
        // SAFETY: as `run`. All slices that are read and written are cut to `width` first.
        unsafe {
            let mask = L::mask(narrow.unwrap_or(0));
            let one = |from: &[f32], v: usize| if narrow.is_some() { L::load_part(from, mask) } else { L::load(&from[v * L::COUNT..]) };
            let load = |from: &[f32]| -> [L; V] {
                let from = &from[..width];
                std::array::from_fn(|v| one(from, v))
            };
            let mut sums = [[L::splat(0.0); V]; R];
            match self.bias {
                Bias::None => {}
                Bias::Columns(_) => sums = [load(&part.bias[column..]); R],
                Bias::Rows(_) => {
                    let bias = &part.bias[row..row + R];
                    for r in 0..R {
                        sums[r] = [L::splat(bias[r]); V];
                    }
                }
            }
            if let Some(other) = part.other {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let other = load(&other[(row + r) * self.n + column..]);
                    for v in 0..V {
                        sums[v] = sums[v].add(other[v]);
                    }
                }
            }
            let (k, a_rows, b_rows) = (self.k, self.a_rows, self.b_rows);
            // Looked at once for all of the loop: compares in it cost more registers than there are.
            let a = if k > 0 { &part.a[row * a_rows..][..(R - 1) * a_rows + k] } else { &[] };
            let b = if k > 0 { &part.b[column..][..(k - 1) * b_rows + width] } else { &[] };
            let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
            for _ in 0..k {
                let from = std::slice::from_raw_parts(b, width);
                // What there is less of waits in registers.
                if R < V {
                    let x: [L; R] = std::array::from_fn(|r| L::splat(*a.add(r * a_rows)));
                    for v in 0..V {
                        let y = one(from, v);
                        for r in 0..R {
                            sums[r][v] = sums[r][v].add_product(x[r], y);
                        }
                    }
                } else {
                    let y: [L; V] = std::array::from_fn(|v| one(from, v));
                    for r in 0..R {
                        let x = L::splat(*a.add(r * a_rows));
                        for v in 0..V {
                            sums[r][v] = sums[r][v].add_product(x, y[v]);
                        }
                    }
                }
                // Behind the last product nothing is read.
                (a, b) = (a.wrapping_add(1), b.wrapping_add(b_rows));
            }
            for r in 0..R {
                let to = &mut out[(row + r) * self.n + column..][..width];
                for v in 0..V {
                    let sum = if self.rectify { sums[r][v].rectify() } else { sums[r][v] };
                    if narrow.is_some() {
                        sum.store_part(to, mask);
                    } else {
                        sum.store(&mut to[v * L::COUNT..]);
                    }
                }
            }
        }
    }
}
