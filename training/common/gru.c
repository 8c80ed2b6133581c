// A GRU through all frames of a row, AVX2: forward and backward, four rows at a time so that a weight
// that is loaded serves four times.
//
// `size` units, a multiple of 16 and at most MOST. Gates are ordered r, z, n. With gx the input's share
// of the gates (bias included):
//   r = sigmoid(gx_r + h W_r)   z = sigmoid(gx_z + h W_z)
//   n = tanh(gx_n + r * (h W_n + b_n))   h' = n + z * (h - n)
// Arrays: gx [rows][frames][3 size], w [size][3 size], bn [size], h0 [rows][size],
// h [rows][frames][size], keep [rows][frames][4 size] (r, z, n, h W_n + b_n).
#include <immintrin.h>
#include <stdint.h>

#define ROWS 4
#define MOST 128

static inline __m256 expv(__m256 x) {
    // Range reduction by ln 2 and a polynomial of degree 6; error about 2e-7.
    x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.f)), _mm256_set1_ps(87.f));
    __m256 k = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), 8);
    __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(k, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.f / 720);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.f / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.f / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.f / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.f));
    __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(e));
}

static inline __m256 sigmoid(__m256 x) {
    __m256 one = _mm256_set1_ps(1.f);
    return _mm256_div_ps(one, _mm256_add_ps(one, expv(_mm256_sub_ps(_mm256_setzero_ps(), x))));
}

static inline __m256 tanhv(__m256 x) {
    __m256 one = _mm256_set1_ps(1.f);
    __m256 e = expv(_mm256_mul_ps(x, _mm256_set1_ps(-2.f)));
    return _mm256_div_ps(_mm256_sub_ps(one, e), _mm256_add_ps(one, e));
}

// Weights as read: for each eight units, for each input, the three gates' eight.
static void pack(int size, const float *w, float *out) {
    for (int j = 0; j < size; j += 8)
        for (int i = 0; i < size; i++)
            for (int g = 0; g < 3; g++)
                for (int k = 0; k < 8; k++) *out++ = w[i * 3 * size + g * size + j + k];
}

void gru_forward(int64_t rows, int64_t frames, int64_t units, const float *gx, const float *w, const float *bn,
                 const float *h0, float *h, float *keep) {
    const int size = (int)units;
    static _Thread_local float packed[3 * MOST * MOST] __attribute__((aligned(32)));
    pack(size, w, packed);
    for (int64_t first = 0; first < rows; first += ROWS) {
        int64_t row[ROWS];
        const float *prev[ROWS];
        for (int r = 0; r < ROWS; r++) {
            // past the last row the last one is done again, with the same result
            row[r] = first + r < rows ? first + r : rows - 1;
            prev[r] = h0 + row[r] * size;
        }
        for (int64_t t = 0; t < frames; t++) {
            const float *wp = packed;
            for (int j = 0; j < size; j += 8) {
                __m256 a[ROWS][3];
                const __m256 bias = _mm256_loadu_ps(bn + j);
                for (int r = 0; r < ROWS; r++) {
                    const float *g = gx + (row[r] * frames + t) * 3 * size + j;
                    a[r][0] = _mm256_loadu_ps(g);
                    a[r][1] = _mm256_loadu_ps(g + size);
                    a[r][2] = bias;
                }
                for (int i = 0; i < size; i++, wp += 24) {
                    const __m256 w0 = _mm256_load_ps(wp), w1 = _mm256_load_ps(wp + 8), w2 = _mm256_load_ps(wp + 16);
                    for (int r = 0; r < ROWS; r++) {
                        const __m256 b = _mm256_broadcast_ss(prev[r] + i);
                        a[r][0] = _mm256_fmadd_ps(b, w0, a[r][0]);
                        a[r][1] = _mm256_fmadd_ps(b, w1, a[r][1]);
                        a[r][2] = _mm256_fmadd_ps(b, w2, a[r][2]);
                    }
                }
                for (int r = 0; r < ROWS; r++) {
                    const int64_t at = row[r] * frames + t;
                    float *k = keep + at * 4 * size + j;
                    const __m256 reset = sigmoid(a[r][0]), z = sigmoid(a[r][1]);
                    const __m256 n = tanhv(_mm256_fmadd_ps(reset, a[r][2], _mm256_loadu_ps(gx + at * 3 * size + 2 * size + j)));
                    const __m256 p = _mm256_loadu_ps(prev[r] + j);
                    _mm256_storeu_ps(h + at * size + j, _mm256_fmadd_ps(z, _mm256_sub_ps(p, n), n));
                    _mm256_storeu_ps(k, reset);
                    _mm256_storeu_ps(k + size, z);
                    _mm256_storeu_ps(k + 2 * size, n);
                    _mm256_storeu_ps(k + 3 * size, a[r][2]);
                }
            }
            for (int r = 0; r < ROWS; r++) prev[r] = h + (row[r] * frames + t) * size;
        }
    }
}

// dgx is [rows][frames][3 size], the gradient at gx; dq [rows][frames][size] that at h W_n + b_n (the two
// other gates' shares of h have the gradient of gx).
void gru_backward(int64_t rows, int64_t frames, int64_t units, const float *w, const float *h0, const float *h,
                  const float *keep, const float *dh, float *dgx, float *dq) {
    const int size = (int)units;
    const __m256 one = _mm256_set1_ps(1.f);
    static _Thread_local float packed[3 * MOST * MOST] __attribute__((aligned(32)));
    float *out = packed;
    for (int i = 0; i < size; i += 16)
        for (int g = 0; g < 3 * size; g++)
            for (int k = 0; k < 16; k++) *out++ = w[(i + k) * 3 * size + g];
    for (int64_t first = 0; first < rows; first += ROWS) {
        int64_t row[ROWS];
        float carry[ROWS][MOST] __attribute__((aligned(32))), next[ROWS][MOST] __attribute__((aligned(32)));
        float s[ROWS][3 * MOST] __attribute__((aligned(32)));
        for (int r = 0; r < ROWS; r++) {
            row[r] = first + r < rows ? first + r : rows - 1;
            for (int j = 0; j < size; j++) carry[r][j] = 0;
        }
        for (int64_t t = frames - 1; t >= 0; t--) {
            for (int r = 0; r < ROWS; r++) {
                const int64_t at = row[r] * frames + t;
                const float *prev = t ? h + (at - 1) * size : h0 + row[r] * size;
                for (int j = 0; j < size; j += 8) {
                    const float *k = keep + at * 4 * size + j;
                    const __m256 d = _mm256_add_ps(_mm256_load_ps(carry[r] + j), _mm256_loadu_ps(dh + at * size + j));
                    const __m256 reset = _mm256_loadu_ps(k), z = _mm256_loadu_ps(k + size);
                    const __m256 n = _mm256_loadu_ps(k + 2 * size), q = _mm256_loadu_ps(k + 3 * size);
                    const __m256 p = _mm256_loadu_ps(prev + j);
                    const __m256 dz = _mm256_mul_ps(_mm256_mul_ps(d, _mm256_sub_ps(p, n)), _mm256_mul_ps(z, _mm256_sub_ps(one, z)));
                    const __m256 dn = _mm256_mul_ps(_mm256_mul_ps(d, _mm256_sub_ps(one, z)), _mm256_fnmadd_ps(n, n, one));
                    const __m256 dr = _mm256_mul_ps(_mm256_mul_ps(dn, q), _mm256_mul_ps(reset, _mm256_sub_ps(one, reset)));
                    const __m256 dk = _mm256_mul_ps(dn, reset);
                    float *g = dgx + at * 3 * size + j;
                    _mm256_storeu_ps(g, dr);
                    _mm256_storeu_ps(g + size, dz);
                    _mm256_storeu_ps(g + 2 * size, dn);
                    _mm256_storeu_ps(dq + at * size + j, dk);
                    _mm256_store_ps(s[r] + j, dr);
                    _mm256_store_ps(s[r] + size + j, dz);
                    _mm256_store_ps(s[r] + 2 * size + j, dk);
                    _mm256_store_ps(next[r] + j, _mm256_mul_ps(d, z));
                }
            }
            const float *wp = packed;
            for (int j = 0; j < size; j += 16) {
                __m256 a[ROWS][2];
                for (int r = 0; r < ROWS; r++) {
                    a[r][0] = _mm256_load_ps(next[r] + j);
                    a[r][1] = _mm256_load_ps(next[r] + j + 8);
                }
                for (int i = 0; i < 3 * size; i++, wp += 16) {
                    const __m256 w0 = _mm256_load_ps(wp), w1 = _mm256_load_ps(wp + 8);
                    for (int r = 0; r < ROWS; r++) {
                        const __m256 b = _mm256_broadcast_ss(s[r] + i);
                        a[r][0] = _mm256_fmadd_ps(b, w0, a[r][0]);
                        a[r][1] = _mm256_fmadd_ps(b, w1, a[r][1]);
                    }
                }
                for (int r = 0; r < ROWS; r++) {
                    _mm256_store_ps(carry[r] + j, a[r][0]);
                    _mm256_store_ps(carry[r] + j + 8, a[r][1]);
                }
            }
        }
    }
}
