// The loss of masks on a mixture's spectra, and its gradient; `loss.py` has the same sums in PyTorch.
//
// Arrays of single precision, complex numbers as pairs: spec [batch][2][frames][BINS][2], true
// [batch][stems][2][frames][BINS][2] (spectra of the known sums), low [batch][stems-1][2][frames][LOW][2],
// high [batch][stems-1][2][frames][BINS-LOW], groups [batch][stems][stems], weight [BINS].
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BINS 961
#define LOW 240
#define STEMS 4
#define EPS 1e-7f

typedef struct {
    float re[BINS], im[BINS];
} Row;

typedef struct {
    int64_t batch, stems, frames;
} Shape;

static inline __attribute__((always_inline)) void read_row(const float *x, Row *out) {
    for (int f = 0; f < BINS; f++) {
        out->re[f] = x[2 * f];
        out->im[f] = x[2 * f + 1];
    }
}

// The known sums of the estimates of one frame of one channel.
static inline __attribute__((always_inline)) void estimate(Shape s, const float *low, const float *high, int64_t stride, const float *groups, const Row *x, Row *sums) {
    static _Thread_local Row each[STEMS];
    const int64_t masked = s.stems - 1;
    each[masked] = *x;
    for (int64_t k = 0; k < masked; k++) {
        const float *m = low + k * stride * 2 * LOW, *g = high + k * stride * (BINS - LOW);
        for (int f = 0; f < LOW; f++) {
            each[k].re[f] = m[2 * f] * x->re[f] - m[2 * f + 1] * x->im[f];
            each[k].im[f] = m[2 * f] * x->im[f] + m[2 * f + 1] * x->re[f];
        }
        for (int f = LOW; f < BINS; f++) {
            each[k].re[f] = g[f - LOW] * x->re[f];
            each[k].im[f] = g[f - LOW] * x->im[f];
        }
        for (int f = 0; f < BINS; f++) {
            each[masked].re[f] -= each[k].re[f];
            each[masked].im[f] -= each[k].im[f];
        }
    }
    memset(sums, 0, s.stems * sizeof(Row));
    for (int64_t g = 0; g < s.stems; g++)
        for (int64_t k = 0; k < s.stems; k++)
            if (groups[g * s.stems + k] != 0)
                for (int f = 0; f < BINS; f++) {
                    sums[g].re[f] += each[k].re[f];
                    sums[g].im[f] += each[k].im[f];
                }
}

// out [batch][stems][3]: power of the truth, power of the error, and the weighted distance of compressed spectra.
void loss_sums(int64_t batch, int64_t stems, int64_t frames, float scale, const float *spec, const float *true_,
               const float *low, const float *high, const float *groups, const float *weight, double *out) {
    const Shape s = {batch, stems, frames};
    const int64_t masked = stems - 1, stride = 2 * frames;
    static _Thread_local Row x, sums[STEMS], want;
    memset(out, 0, batch * stems * 3 * sizeof(double));
    for (int64_t b = 0; b < batch; b++)
        for (int64_t at = 0; at < stride; at++) {
            read_row(spec + (b * stride + at) * 2 * BINS, &x);
            estimate(s, low + (b * masked * stride + at) * 2 * LOW, high + (b * masked * stride + at) * (BINS - LOW), stride,
                     groups + b * stems * stems, &x, sums);
            for (int64_t g = 0; g < stems; g++) {
                read_row(true_ + ((b * stems + g) * stride + at) * 2 * BINS, &want);
                const Row *y = &sums[g];
                float power = 0, error = 0, distance = 0;
                for (int f = 0; f < BINS; f++) {
                    const float tr = want.re[f], ti = want.im[f], yr = y->re[f], yi = y->im[f];
                    const float t2 = tr * tr + ti * ti, er = yr - tr, ei = yi - ti;
                    power += t2;
                    error += er * er + ei * ei;
                    const float a = 1.f / sqrtf(sqrtf((yr * yr + yi * yi) * scale * scale + EPS)) * scale;
                    const float c = 1.f / sqrtf(sqrtf(t2 * scale * scale + EPS)) * scale;
                    distance += weight[f] * (fabsf(yr * a - tr * c) + fabsf(yi * a - ti * c));
                }
                double *o = out + (b * stems + g) * 3;
                o[0] += power;
                o[1] += error;
                o[2] += distance;
            }
        }
}

// Gradients at low and high of sum over groups of share[0] * distance + share[1] * error; share [batch][stems][2].
void loss_gradient(int64_t batch, int64_t stems, int64_t frames, float scale, const float *spec, const float *true_,
                   const float *low, const float *high, const float *groups, const float *weight, const float *share,
                   float *dlow, float *dhigh) {
    const Shape s = {batch, stems, frames};
    const int64_t masked = stems - 1, stride = 2 * frames;
    static _Thread_local Row x, sums[STEMS], want, at_stem[STEMS];
    for (int64_t b = 0; b < batch; b++)
        for (int64_t at = 0; at < stride; at++) {
            const int64_t l = (b * masked * stride + at) * 2 * LOW, h = (b * masked * stride + at) * (BINS - LOW);
            const float *known = groups + b * stems * stems;
            read_row(spec + (b * stride + at) * 2 * BINS, &x);
            estimate(s, low + l, high + h, stride, known, &x, sums);
            memset(at_stem, 0, stems * sizeof(Row));
            for (int64_t g = 0; g < stems; g++) {
                const float near = share[(b * stems + g) * 2], far = 2 * share[(b * stems + g) * 2 + 1];
                if (near == 0 && far == 0) continue;
                read_row(true_ + ((b * stems + g) * stride + at) * 2 * BINS, &want);
                Row *y = &sums[g];
                for (int f = 0; f < BINS; f++) {
                    const float tr = want.re[f], ti = want.im[f], yr = y->re[f], yi = y->im[f];
                    const float e = (yr * yr + yi * yi) * scale * scale + EPS;
                    const float a = 1.f / sqrtf(sqrtf(e)) * scale;
                    const float c = 1.f / sqrtf(sqrtf((tr * tr + ti * ti) * scale * scale + EPS)) * scale;
                    const float dr = yr * a - tr * c, di = yi * a - ti * c;
                    const float w = near * weight[f];
                    const float sr = copysignf(w, dr), si = copysignf(w, di);
                    const float back = 0.5f * a * scale * scale / e * (sr * yr + si * yi);
                    y->re[f] = sr * a - back * yr + far * (yr - tr);
                    y->im[f] = si * a - back * yi + far * (yi - ti);
                }
                for (int64_t k = 0; k < stems; k++)
                    if (known[g * stems + k] != 0)
                        for (int f = 0; f < BINS; f++) {
                            at_stem[k].re[f] += y->re[f];
                            at_stem[k].im[f] += y->im[f];
                        }
            }
            for (int64_t k = 0; k < masked; k++) {
                float *m = dlow + l + k * stride * 2 * LOW, *g = dhigh + h + k * stride * (BINS - LOW);
                const Row *d = &at_stem[k], *rest = &at_stem[masked];
                for (int f = 0; f < LOW; f++) {
                    const float re = d->re[f] - rest->re[f], im = d->im[f] - rest->im[f];
                    m[2 * f] = re * x.re[f] + im * x.im[f];
                    m[2 * f + 1] = im * x.re[f] - re * x.im[f];
                }
                for (int f = LOW; f < BINS; f++)
                    g[f - LOW] = (d->re[f] - rest->re[f]) * x.re[f] + (d->im[f] - rest->im[f]) * x.im[f];
            }
        }
}
