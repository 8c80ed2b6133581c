// A GRU of 32 units through all frames of a row, AVX2: forward and backward.
//
// Gates are ordered r, z, n. With gx the input's share of the gates (bias included):
//   r = sigmoid(gx_r + h W_r)   z = sigmoid(gx_z + h W_z)
//   n = tanh(gx_n + r * (h W_n + b_n))   h' = n + z * (h - n)
// Arrays: gx [rows][frames][96], w [32][96], bn [32], h0 [rows][32],
// h [rows][frames][32], keep [rows][frames][128] (r, z, n, h W_n + b_n).
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define H 32
#define G 96
#define V 12

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

void gru_forward(int64_t rows, int64_t frames, const float *gx, const float *w, const float *bn,
                 const float *h0, float *h, float *keep) {
    for (int64_t row = 0; row < rows; row++) {
        const float *prev = h0 + row * H;
        for (int64_t t = 0; t < frames; t++) {
            const float *g = gx + (row * frames + t) * G;
            float *out = h + (row * frames + t) * H, *k = keep + (row * frames + t) * 4 * H;
            __m256 a[V];
            for (int j = 0; j < 8; j++) a[j] = _mm256_loadu_ps(g + 8 * j);
            for (int j = 0; j < 4; j++) a[8 + j] = _mm256_loadu_ps(bn + 8 * j);
            for (int i = 0; i < H; i++) {
                __m256 b = _mm256_broadcast_ss(prev + i);
                for (int j = 0; j < V; j++) a[j] = _mm256_fmadd_ps(b, _mm256_loadu_ps(w + i * G + 8 * j), a[j]);
            }
            for (int j = 0; j < 4; j++) {
                __m256 r = sigmoid(a[j]), z = sigmoid(a[4 + j]);
                __m256 n = tanhv(_mm256_fmadd_ps(r, a[8 + j], _mm256_loadu_ps(g + 64 + 8 * j)));
                __m256 p = _mm256_loadu_ps(prev + 8 * j);
                _mm256_storeu_ps(out + 8 * j, _mm256_fmadd_ps(z, _mm256_sub_ps(p, n), n));
                _mm256_storeu_ps(k + 8 * j, r);
                _mm256_storeu_ps(k + 32 + 8 * j, z);
                _mm256_storeu_ps(k + 64 + 8 * j, n);
                _mm256_storeu_ps(k + 96 + 8 * j, a[8 + j]);
            }
            prev = out;
        }
    }
}

// wt is the transpose of w, [96][32]; dgx and dgh are [rows][frames][96] (they differ in n).
void gru_backward(int64_t rows, int64_t frames, const float *wt, const float *h0, const float *h,
                  const float *keep, const float *dh, float *dgx, float *dgh) {
    const __m256 one = _mm256_set1_ps(1.f);
    for (int64_t row = 0; row < rows; row++) {
        __m256 carry[4];
        for (int j = 0; j < 4; j++) carry[j] = _mm256_setzero_ps();
        for (int64_t t = frames - 1; t >= 0; t--) {
            const int64_t at = row * frames + t;
            const float *prev = t ? h + (at - 1) * H : h0 + row * H;
            const float *k = keep + at * 4 * H;
            float *gx = dgx + at * G, *gh = dgh + at * G;
            __m256 next[4];
            for (int j = 0; j < 4; j++) {
                __m256 d = _mm256_add_ps(carry[j], _mm256_loadu_ps(dh + at * H + 8 * j));
                __m256 r = _mm256_loadu_ps(k + 8 * j), z = _mm256_loadu_ps(k + 32 + 8 * j);
                __m256 n = _mm256_loadu_ps(k + 64 + 8 * j), q = _mm256_loadu_ps(k + 96 + 8 * j);
                __m256 p = _mm256_loadu_ps(prev + 8 * j);
                __m256 dz = _mm256_mul_ps(_mm256_mul_ps(d, _mm256_sub_ps(p, n)), _mm256_mul_ps(z, _mm256_sub_ps(one, z)));
                __m256 dn = _mm256_mul_ps(_mm256_mul_ps(d, _mm256_sub_ps(one, z)), _mm256_fnmadd_ps(n, n, one));
                __m256 dr = _mm256_mul_ps(_mm256_mul_ps(dn, q), _mm256_mul_ps(r, _mm256_sub_ps(one, r)));
                _mm256_storeu_ps(gx + 8 * j, dr);
                _mm256_storeu_ps(gx + 32 + 8 * j, dz);
                _mm256_storeu_ps(gx + 64 + 8 * j, dn);
                _mm256_storeu_ps(gh + 8 * j, dr);
                _mm256_storeu_ps(gh + 32 + 8 * j, dz);
                _mm256_storeu_ps(gh + 64 + 8 * j, _mm256_mul_ps(dn, r));
                next[j] = _mm256_mul_ps(d, z);
            }
            __m256 b2[4], c2[4];
            for (int j = 0; j < 4; j++) b2[j] = c2[j] = _mm256_setzero_ps();
            for (int i = 0; i < G; i += 3) {
                __m256 s0 = _mm256_broadcast_ss(gh + i), s1 = _mm256_broadcast_ss(gh + i + 1), s2 = _mm256_broadcast_ss(gh + i + 2);
                for (int j = 0; j < 4; j++) {
                    next[j] = _mm256_fmadd_ps(s0, _mm256_loadu_ps(wt + i * H + 8 * j), next[j]);
                    b2[j] = _mm256_fmadd_ps(s1, _mm256_loadu_ps(wt + (i + 1) * H + 8 * j), b2[j]);
                    c2[j] = _mm256_fmadd_ps(s2, _mm256_loadu_ps(wt + (i + 2) * H + 8 * j), c2[j]);
                }
            }
            for (int j = 0; j < 4; j++) carry[j] = _mm256_add_ps(next[j], _mm256_add_ps(b2[j], c2[j]));
        }
    }
}
