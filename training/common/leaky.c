// Running means with a rate of their own at every step: state += rate * (aim - state).
//
// rate [rows][steps][means], aim [rows][steps][size], state [rows][means][size] (in and out),
// out [rows][steps][means][size].
#include <stdint.h>

void leaky(int64_t rows, int64_t steps, int64_t means, int64_t size, const float *rate, const float *aim, float *state,
           float *out) {
    for (int64_t r = 0; r < rows; r++) {
        float *s = state + r * means * size;
        for (int64_t t = 0; t < steps; t++) {
            const float *a = aim + (r * steps + t) * size, *k = rate + (r * steps + t) * means;
            float *o = out + (r * steps + t) * means * size;
            for (int64_t m = 0; m < means; m++)
                for (int64_t i = 0; i < size; i++) {
                    float v = s[m * size + i];
                    v += k[m] * (a[i] - v);
                    s[m * size + i] = v;
                    o[m * size + i] = v;
                }
        }
    }
}
