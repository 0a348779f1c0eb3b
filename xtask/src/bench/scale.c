/* The loop that one would write in C, for `cargo xtask bench`: cc -O3 -march=native. */
#include <stddef.h>

void scale_float32(const float *restrict source, float *restrict result, size_t n, float factor) {
    for (size_t i = 0; i < n; i++) result[i] = source[i] * factor;
}

void scale_float64(const double *restrict source, double *restrict result, size_t n, double factor) {
    for (size_t i = 0; i < n; i++) result[i] = source[i] * factor;
}
