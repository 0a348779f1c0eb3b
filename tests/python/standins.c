/*
 * Stand-ins for two libraries of Apple's Accelerate, so that the scripts that watch it run for real on Linux: the
 * file names and signatures are Apple's, the code is not. Built by test_scripts_dtrace.py: -DVDSP makes libvDSP.dylib,
 * -DBLAS makes libBLAS.dylib, -DCALLER the program that calls them.
 */
#include <stddef.h>

#if defined(VDSP)

void vDSP_vsmul(const float *a, ptrdiff_t ia, const float *b, float *c, ptrdiff_t ic, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c[i * ic] = a[i * ia] * *b;
}

void vDSP_vsmulD(const double *a, ptrdiff_t ia, const double *b, double *c, ptrdiff_t ic, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c[i * ic] = a[i * ia] * *b;
}

/* A routine that calls another one: a nested call for each element. */
void vDSP_vmul(const float *a, ptrdiff_t ia, const float *b, ptrdiff_t ib, float *c, ptrdiff_t ic, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vDSP_vsmul(a + i * ia, ia, b + i * ib, c + i * ic, ic, 1);
}

/* m and n are the seventh and the eighth argument: on x86-64 they are on the stack. */
void vDSP_mmul(const float *a, ptrdiff_t ia, const float *b, ptrdiff_t ib, float *c, ptrdiff_t ic, size_t m, size_t n,
               size_t p)
{
    for (size_t i = 0; i < m * n; i++) {
        c[i * ic] = 0;
        for (size_t j = 0; j < p; j++)
            c[i * ic] += a[(i / n * p + j) * ia] * b[(j * n + i % n) * ib];
    }
}

#elif defined(BLAS)

/* A routine that calls itself: n calls, all but the first nested. */
void cblas_dscal(int n, double alpha, double *x, int incx)
{
    x[0] *= alpha;
    if (n > 1)
        cblas_dscal(n - 1, alpha, x + incx, incx);
}

void cblas_sgemm(int layout, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc)
{
    (void)layout, (void)transa, (void)transb;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int p = 0; p < k; p++)
                sum += a[i * lda + p] * b[p * ldb + j];
            c[i * ldc + j] = alpha * sum + beta * c[i * ldc + j];
        }
}

void new_sgemm(int layout, int transa, int transb, long m, long n, long k, float alpha, const float *a, long lda,
               const float *b, long ldb, float beta, float *c, long ldc) __asm__("cblas_sgemm$NEWLAPACK$ILP64");

void new_sgemm(int layout, int transa, int transb, long m, long n, long k, float alpha, const float *a, long lda,
               const float *b, long ldb, float beta, float *c, long ldc)
{
    (void)layout, (void)transa, (void)transb, (void)k, (void)a, (void)lda, (void)b, (void)ldb, (void)beta;
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++)
            c[i * ldc + j] = alpha;
}

/* n is the seventh argument. It does not solve anything. */
void cblas_strsm(int layout, int side, int uplo, int trans, int diag, int m, int n, float alpha, const float *a, int lda,
                 float *b, int ldb)
{
    (void)layout, (void)side, (void)uplo, (void)trans, (void)diag, (void)a, (void)lda;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            b[i * ldb + j] *= alpha;
}

#else

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

void vDSP_vsmul(const float *, ptrdiff_t, const float *, float *, ptrdiff_t, size_t);
void vDSP_vsmulD(const double *, ptrdiff_t, const double *, double *, ptrdiff_t, size_t);
void vDSP_vmul(const float *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, size_t);
void vDSP_mmul(const float *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, size_t, size_t, size_t);
void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
void cblas_dscal(int, double, double *, int);
void new_sgemm(int, int, int, long, long, long, float, const float *, long, const float *, long, float, float *,
               long) __asm__("cblas_sgemm$NEWLAPACK$ILP64");
void cblas_strsm(int, int, int, int, int, int, int, float, const float *, int, float *, int);

static float a[4096], b[4096], c[4096];
static double d[64];

int main(void)
{
    float factor = 2.5f;
    double wide = 2.5;
    /* Nothing has read this page: it is not in memory, so that a tracer cannot read it when the routine begins. */
    const float *unread = mmap(NULL, sizeof *unread, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (unread == MAP_FAILED)
        return 1;
    printf("ready %d\n", getpid());
    fflush(stdout);
    if (getchar() == EOF)
        return 1;
#if defined(ACCELERATE)
    for (int i = 0; i < 10; i++)
        vDSP_vsmul(a, 1, &factor, c, 2, 1000);
    vDSP_vsmul(a, 1, unread, c, 1, 16);
    vDSP_vsmulD(d, 1, &wide, d, 1, 64);
    vDSP_vmul(a, 1, b, 1, c, 1, 3);
    vDSP_mmul(a, 1, b, 1, c, 1, 3, 5, 7);
    for (int i = 0; i < 2; i++)
        new_sgemm(101, 111, 111, 2, 3, 4, 1, a, 64, b, 64, 0, c, 64);
#endif
    for (int i = 0; i < 7; i++)
        cblas_sgemm(101, 111, 111, 8, 9, 10, 1, a, 64, b, 64, 0, c, 64);
    cblas_dscal(4, 2.0, d, 2);
    cblas_strsm(101, 141, 121, 111, 132, 3, 5, 1, a, 64, c, 64);
    printf("done\n");
    fflush(stdout);
    (void)factor, (void)wide, (void)unread;
    while (getchar() != EOF)
        ;
    return 0;
}

#endif
