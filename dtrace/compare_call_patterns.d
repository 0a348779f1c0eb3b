#!/usr/sbin/dtrace -s
/*
 * compare_call_patterns.d: the calls of NumPy and of Raptors in two columns of one table.
 *
 *   sudo dtrace -s dtrace/compare_call_patterns.d -p PID      a running process; Ctrl-C ends it
 *   sudo dtrace -s dtrace/compare_call_patterns.d -c 'CMD'    a command, for what it is linked to
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. Attach after the process has imported
 * NumPy and Raptors: DTrace does not see a library that is loaded later. For two processes, one side each:
 *   raptors-trace script compare_call_patterns.d --pid PID_A --pid PID_B
 *
 * WHAT IS ARMED
 * Entries of 82 routines and of NumPy's inner loops, and the probes of the Raptors kernel:
 *   cblas_[sd]scal cblas_[sd]axpy cblas_[sd]copy cblas_[sd]dot cblas_[sd]nrm2 cblas_[sd]asum cblas_[sd]gemv
 *   cblas_[sd]ger cblas_[sdcz]gemm cblas_[sd]syrk cblas_[sd]trsm [sd]gesv [sd]getrf [sd]potrf [sd]geqrf [sd]gesdd
 *   [sd]syevd vDSP_vsmul vDSP_vsmulD vDSP_vsadd vDSP_vsaddD vDSP_vsdiv vDSP_vsdivD vDSP_vsma vDSP_vsmaD vDSP_vsmsa
 *   vDSP_vsmsaD vDSP_vadd vDSP_vaddD vDSP_vsub vDSP_vsubD vDSP_vmul vDSP_vmulD vDSP_vdiv vDSP_vdivD vDSP_vma
 *   vDSP_vmaD vDSP_dotpr vDSP_dotprD vDSP_sve vDSP_sveD vDSP_mmul vDSP_mmulD vvsqrtf vvsqrt vvrsqrtf vvrsqrt vvrecf
 *   vvrec vvexpf vvexp vvlogf vvlog vvpowf vvpow vvsinf vvsin vvcosf vvcos vvtanhf vvtanh vvdivf vvdiv
 * in these libraries:
 *   macOS: libBLAS.dylib, libLAPACK.dylib, libvDSP.dylib, libvMisc.dylib (vForce), with the spellings of the new LAPACK
 *   ($NEWLAPACK, $NEWLAPACK$ILP64). Linux: libopenblas, libblas, libcblas, liblapack, libblis, libmkl_*, with and
 *   without the suffix 64_.
 * Every other routine of the catalogue: raptors-trace script NAME.d --routine ROUTINE,ROUTINE. DTrace for Linux opens a
 * file for each probe, two for a routine (raise `ulimit -n` where it says "Bad file descriptor"), and takes about 0.2 s
 * for each to withdraw after its report: do not kill it, its probes would stay.
 *
 * SAMPLE
 *   ten `a * 2.5` at 2048 x 2048, seven `b @ b` at 64 x 64 (whose OpenBLAS DTrace cannot watch), eleven r.scale(2.5):
 *   routine or loop                                 NumPy      Raptors
 *   raptors scale                                       0           11
 *   FLOAT_matmul                                        7            0
 *   FLOAT_multiply_X86_V3                              10            0
 *
 *   by shape                                m       n       k   step1   step2   step3      scalar     NumPy   Raptors
 *   raptors scale                     4194304       0       0       0       0       0  0x40200000         0        11
 *   FLOAT_matmul                            1       0       0      64      64      64           0         7         0
 *   FLOAT_multiply_X86_V3             4194304       0       0       4       0       4           0        10         0
 *
 *   Raptors                  reason                                           threads         n     calls
 *   simd                     automatic: the widest vectors of this CPU, one thread       1   4194304        11
 *
 * HOW TO READ IT
 * The right column is what happens inside an operation of Raptors, between its probes scale-entry and scale-return
 * and in the pieces its threads run; the left one is all else in the process, NumPy above all.
 * First all calls of each routine and loop, then the same by shape: m, n, k, the steps (increments, leading dimensions;
 * of a loop the strides in bytes), the bits of a scalar that is passed by pointer; 0 where there is none. A vector's
 * and a loop's length is in m. A dash: it lay in memory that DTrace could not read. The last table is Raptors' own:
 * one row for each backend and reason.
 * A row with a number in one column only is a call that the other side does not make. A routine that is in neither
 * column was not called: before you believe it, let the process do `a @ a` once and find that.
 *
 * Made from the catalogue in routines/ and from probes/provider.d by `cargo xtask scripts`. Counted on x86-64 Linux
 * with libraries that stand in for Accelerate's; not yet run on a Mac.
 */
#pragma D option quiet
#pragma D option zdefs

int seen;
self int scale;
int raptors_seen;

dtrace:::BEGIN
{
	printf("Process %d: routines, loops and the probes of Raptors are armed, as far as it has loaded them.\n", $target);
	printf("Ctrl-C or the end of the process ends it and prints the report.\n");
}

/* Every call is counted on one of the sides. */
pid$target:lib[BLbclmo]*:cblas_[sd]scal:entry, pid$target:lib[BLbclmo]*:cblas_[sd]scal?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]nrm2:entry, pid$target:lib[BLbclmo]*:cblas_[sd]nrm2?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]asum:entry, pid$target:lib[BLbclmo]*:cblas_[sd]asum?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]axpy:entry, pid$target:lib[BLbclmo]*:cblas_[sd]axpy?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]copy:entry, pid$target:lib[BLbclmo]*:cblas_[sd]copy?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]dot:entry, pid$target:lib[BLbclmo]*:cblas_[sd]dot?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]gemv:entry, pid$target:lib[BLbclmo]*:cblas_[sd]gemv?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]ger:entry, pid$target:lib[BLbclmo]*:cblas_[sd]ger?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]gemm:entry, pid$target:lib[BLbclmo]*:cblas_[sd]gemm?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[cz]gemm:entry, pid$target:lib[BLbclmo]*:cblas_[cz]gemm?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]syrk:entry, pid$target:lib[BLbclmo]*:cblas_[sd]syrk?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]trsm:entry, pid$target:lib[BLbclmo]*:cblas_[sd]trsm?[4N]*:entry,
pid$target:lib[BLbclmo]*:[sd]gesv_:entry, pid$target:lib[BLbclmo]*:[sd]gesv?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]getrf_:entry, pid$target:lib[BLbclmo]*:[sd]getrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]geqrf_:entry, pid$target:lib[BLbclmo]*:[sd]geqrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]potrf_:entry, pid$target:lib[BLbclmo]*:[sd]potrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]gesdd_:entry, pid$target:lib[BLbclmo]*:[sd]gesdd?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]syevd_:entry, pid$target:lib[BLbclmo]*:[sd]syevd?[6N]*:entry,
pid$target:libvDSP.dylib:vDSP_vsmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vsad[d]:entry,
pid$target:libvDSP.dylib:vDSP_vsdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vsmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsadd[D]:entry, pid$target:libvDSP.dylib:vDSP_vsdiv[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsm[a]:entry, pid$target:libvDSP.dylib:vDSP_vsma[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsms[a]:entry, pid$target:libvDSP.dylib:vDSP_vsmsa[D]:entry,
pid$target:libvDSP.dylib:vDSP_vad[d]:entry, pid$target:libvDSP.dylib:vDSP_vadd[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsu[b]:entry, pid$target:libvDSP.dylib:vDSP_vsub[D]:entry,
pid$target:libvDSP.dylib:vDSP_vmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vdiv[D]:entry,
pid$target:libvDSP.dylib:vDSP_vm[a]:entry, pid$target:libvDSP.dylib:vDSP_vma[D]:entry,
pid$target:libvDSP.dylib:vDSP_dotp[r]:entry, pid$target:libvDSP.dylib:vDSP_dotpr[D]:entry,
pid$target:libvDSP.dylib:vDSP_sv[e]:entry, pid$target:libvDSP.dylib:vDSP_sve[D]:entry,
pid$target:libvDSP.dylib:vDSP_mmu[l]:entry, pid$target:libvDSP.dylib:vDSP_mmul[D]:entry,
pid$target:libvMisc.dylib:vvsqrt[f]:entry, pid$target:libvMisc.dylib:vvsqr[t]:entry,
pid$target:libvMisc.dylib:vvrsqrt[f]:entry, pid$target:libvMisc.dylib:vvrsqr[t]:entry,
pid$target:libvMisc.dylib:vvrec[f]:entry, pid$target:libvMisc.dylib:vvre[c]:entry,
pid$target:libvMisc.dylib:vvexp[f]:entry, pid$target:libvMisc.dylib:vvex[p]:entry,
pid$target:libvMisc.dylib:vvlog[f]:entry, pid$target:libvMisc.dylib:vvlo[g]:entry,
pid$target:libvMisc.dylib:vvsin[f]:entry, pid$target:libvMisc.dylib:vvsi[n]:entry,
pid$target:libvMisc.dylib:vvcos[f]:entry, pid$target:libvMisc.dylib:vvco[s]:entry,
pid$target:libvMisc.dylib:vvtanh[f]:entry, pid$target:libvMisc.dylib:vvtan[h]:entry,
pid$target:libvMisc.dylib:vvpow[f]:entry, pid$target:libvMisc.dylib:vvpo[w]:entry,
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry,
pid$target:_multiarray_umath*:FLOAT_multipl[y]:entry, pid$target:_multiarray_umath*:FLOAT_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_multipl[y]:entry, pid$target:_multiarray_umath*:DOUBLE_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ad[d]:entry, pid$target:_multiarray_umath*:FLOAT_add_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ad[d]:entry, pid$target:_multiarray_umath*:DOUBLE_add_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_subtrac[t]:entry, pid$target:_multiarray_umath*:FLOAT_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_subtrac[t]:entry, pid$target:_multiarray_umath*:DOUBLE_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_divid[e]:entry, pid$target:_multiarray_umath*:FLOAT_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_divid[e]:entry, pid$target:_multiarray_umath*:DOUBLE_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_maximu[m]:entry, pid$target:_multiarray_umath*:FLOAT_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_maximu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_minimu[m]:entry, pid$target:_multiarray_umath*:FLOAT_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_minimu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_powe[r]:entry, pid$target:_multiarray_umath*:FLOAT_power_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_powe[r]:entry, pid$target:_multiarray_umath*:DOUBLE_power_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_negativ[e]:entry, pid$target:_multiarray_umath*:FLOAT_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_negativ[e]:entry, pid$target:_multiarray_umath*:DOUBLE_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_absolut[e]:entry, pid$target:_multiarray_umath*:FLOAT_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_absolut[e]:entry, pid$target:_multiarray_umath*:DOUBLE_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_squar[e]:entry, pid$target:_multiarray_umath*:FLOAT_square_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_squar[e]:entry, pid$target:_multiarray_umath*:DOUBLE_square_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_sqr[t]:entry, pid$target:_multiarray_umath*:FLOAT_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_sqr[t]:entry, pid$target:_multiarray_umath*:DOUBLE_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ex[p]:entry, pid$target:_multiarray_umath*:FLOAT_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ex[p]:entry, pid$target:_multiarray_umath*:DOUBLE_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_lo[g]:entry, pid$target:_multiarray_umath*:FLOAT_log_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_lo[g]:entry, pid$target:_multiarray_umath*:DOUBLE_log_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_matmu[l]:entry, pid$target:_multiarray_umath*:FLOAT_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_matmu[l]:entry, pid$target:_multiarray_umath*:DOUBLE_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_vecdo[t]:entry, pid$target:_multiarray_umath*:FLOAT_vecdot_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_vecdo[t]:entry, pid$target:_multiarray_umath*:DOUBLE_vecdot_[XAN]*:entry
{
	this->m = this->n = this->k = this->step1 = this->step2 = this->step3 = this->scalar = (int64_t)0;
	this->read = 2;
seen = 1;
	this->b = self->scale > 0 ? 1 : 0;
	@a[probefunc] = sum(1 - this->b);
	@b[probefunc] = sum(this->b);
}

/* Where the sizes of each routine and loop stand. */
pid$target:lib[BLbclmo]*:cblas_[sd]scal:entry, pid$target:lib[BLbclmo]*:cblas_[sd]scal?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]nrm2:entry, pid$target:lib[BLbclmo]*:cblas_[sd]nrm2?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]asum:entry, pid$target:lib[BLbclmo]*:cblas_[sd]asum?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg0 : (int64_t)(int)arg0;
	this->step1 = this->wide ? (int64_t)arg2 : (int64_t)(int)arg2;
}

pid$target:lib[BLbclmo]*:cblas_[sd]axpy:entry, pid$target:lib[BLbclmo]*:cblas_[sd]axpy?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]copy:entry, pid$target:lib[BLbclmo]*:cblas_[sd]copy?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]dot:entry, pid$target:lib[BLbclmo]*:cblas_[sd]dot?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg0 : (int64_t)(int)arg0;
	this->step1 = this->wide ? (int64_t)arg2 : (int64_t)(int)arg2;
	this->step2 = this->wide ? (int64_t)arg4 : (int64_t)(int)arg4;
}

pid$target:lib[BLbclmo]*:cblas_[sd]gemv:entry, pid$target:lib[BLbclmo]*:cblas_[sd]gemv?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg2 : (int64_t)(int)arg2;
	this->n = this->wide ? (int64_t)arg3 : (int64_t)(int)arg3;
	this->step1 = this->wide ? (int64_t)arg5 : (int64_t)(int)arg5;
	this->step2 = this->wide ? (int64_t)arg7 : (int64_t)(int)arg7;
}

pid$target:lib[BLbclmo]*:cblas_[sd]ger:entry, pid$target:lib[BLbclmo]*:cblas_[sd]ger?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg1 : (int64_t)(int)arg1;
	this->n = this->wide ? (int64_t)arg2 : (int64_t)(int)arg2;
	this->step1 = this->wide ? (int64_t)arg4 : (int64_t)(int)arg4;
	this->step2 = this->wide ? (int64_t)arg6 : (int64_t)(int)arg6;
}

pid$target:lib[BLbclmo]*:cblas_[sd]gemm:entry, pid$target:lib[BLbclmo]*:cblas_[sd]gemm?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg3 : (int64_t)(int)arg3;
	this->n = this->wide ? (int64_t)arg4 : (int64_t)(int)arg4;
	this->k = this->wide ? (int64_t)arg5 : (int64_t)(int)arg5;
	this->step1 = this->wide ? (int64_t)arg7 : (int64_t)(int)arg7;
}

pid$target:lib[BLbclmo]*:cblas_[cz]gemm:entry, pid$target:lib[BLbclmo]*:cblas_[cz]gemm?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg3 : (int64_t)(int)arg3;
	this->n = this->wide ? (int64_t)arg4 : (int64_t)(int)arg4;
	this->k = this->wide ? (int64_t)arg5 : (int64_t)(int)arg5;
}

pid$target:lib[BLbclmo]*:cblas_[sd]syrk:entry, pid$target:lib[BLbclmo]*:cblas_[sd]syrk?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg3 : (int64_t)(int)arg3;
	this->k = this->wide ? (int64_t)arg4 : (int64_t)(int)arg4;
	this->step1 = this->wide ? (int64_t)arg6 : (int64_t)(int)arg6;
}

pid$target:lib[BLbclmo]*:cblas_[sd]trsm:entry, pid$target:lib[BLbclmo]*:cblas_[sd]trsm?[4N]*:entry
{
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? (int64_t)arg5 : (int64_t)(int)arg5;
	this->n = this->wide ? (int64_t)arg6 : (int64_t)(int)arg6;
}

pid$target:lib[BLbclmo]*:[sd]gesv_:entry, pid$target:lib[BLbclmo]*:[sd]gesv?[6N]*:entry
{
	this->read = 0;
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? *(int64_t *)copyin(arg0, 8) : (int64_t)*(int *)copyin(arg0, 4);
	this->k = this->wide ? *(int64_t *)copyin(arg1, 8) : (int64_t)*(int *)copyin(arg1, 4);
	this->step1 = this->wide ? *(int64_t *)copyin(arg3, 8) : (int64_t)*(int *)copyin(arg3, 4);
	this->step2 = this->wide ? *(int64_t *)copyin(arg6, 8) : (int64_t)*(int *)copyin(arg6, 4);
	this->read = 2;
}

pid$target:lib[BLbclmo]*:[sd]getrf_:entry, pid$target:lib[BLbclmo]*:[sd]getrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]geqrf_:entry, pid$target:lib[BLbclmo]*:[sd]geqrf?[6N]*:entry
{
	this->read = 0;
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? *(int64_t *)copyin(arg0, 8) : (int64_t)*(int *)copyin(arg0, 4);
	this->n = this->wide ? *(int64_t *)copyin(arg1, 8) : (int64_t)*(int *)copyin(arg1, 4);
	this->step1 = this->wide ? *(int64_t *)copyin(arg3, 8) : (int64_t)*(int *)copyin(arg3, 4);
	this->read = 2;
}

pid$target:lib[BLbclmo]*:[sd]potrf_:entry, pid$target:lib[BLbclmo]*:[sd]potrf?[6N]*:entry
{
	this->read = 0;
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? *(int64_t *)copyin(arg1, 8) : (int64_t)*(int *)copyin(arg1, 4);
	this->step1 = this->wide ? *(int64_t *)copyin(arg3, 8) : (int64_t)*(int *)copyin(arg3, 4);
	this->read = 2;
}

pid$target:lib[BLbclmo]*:[sd]gesdd_:entry, pid$target:lib[BLbclmo]*:[sd]gesdd?[6N]*:entry
{
	this->read = 0;
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? *(int64_t *)copyin(arg1, 8) : (int64_t)*(int *)copyin(arg1, 4);
	this->n = this->wide ? *(int64_t *)copyin(arg2, 8) : (int64_t)*(int *)copyin(arg2, 4);
	this->step1 = this->wide ? *(int64_t *)copyin(arg4, 8) : (int64_t)*(int *)copyin(arg4, 4);
	this->step2 = this->wide ? *(int64_t *)copyin(arg7, 8) : (int64_t)*(int *)copyin(arg7, 4);
	this->read = 2;
}

pid$target:lib[BLbclmo]*:[sd]syevd_:entry, pid$target:lib[BLbclmo]*:[sd]syevd?[6N]*:entry
{
	this->read = 0;
	this->wide = strstr(probefunc, "64") != NULL || strstr(probemod, "blas64") != NULL || strstr(probemod, "ilp64") != NULL;
	this->m = this->wide ? *(int64_t *)copyin(arg2, 8) : (int64_t)*(int *)copyin(arg2, 4);
	this->step1 = this->wide ? *(int64_t *)copyin(arg4, 8) : (int64_t)*(int *)copyin(arg4, 4);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vsmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vsad[d]:entry,
pid$target:libvDSP.dylib:vDSP_vsdi[v]:entry
{
	this->m = (int64_t)arg5;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg4;
	this->read = 1;
	this->scalar = (int64_t)*(uint32_t *)copyin(arg2, 4);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vsmul[D]:entry, pid$target:libvDSP.dylib:vDSP_vsadd[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsdiv[D]:entry
{
	this->m = (int64_t)arg5;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg4;
	this->read = 1;
	this->scalar = *(int64_t *)copyin(arg2, 8);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vsm[a]:entry
{
	this->m = (int64_t)arg7;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg4;
	this->step3 = (int64_t)arg6;
	this->read = 1;
	this->scalar = (int64_t)*(uint32_t *)copyin(arg2, 4);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vsma[D]:entry
{
	this->m = (int64_t)arg7;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg4;
	this->step3 = (int64_t)arg6;
	this->read = 1;
	this->scalar = *(int64_t *)copyin(arg2, 8);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vsms[a]:entry
{
	this->m = (int64_t)arg6;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg5;
	this->read = 1;
	this->scalar = (int64_t)*(uint32_t *)copyin(arg2, 4);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vsmsa[D]:entry
{
	this->m = (int64_t)arg6;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg5;
	this->read = 1;
	this->scalar = *(int64_t *)copyin(arg2, 8);
	this->read = 2;
}

pid$target:libvDSP.dylib:vDSP_vad[d]:entry, pid$target:libvDSP.dylib:vDSP_vadd[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsu[b]:entry, pid$target:libvDSP.dylib:vDSP_vsub[D]:entry,
pid$target:libvDSP.dylib:vDSP_vmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vdiv[D]:entry
{
	this->m = (int64_t)arg6;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg3;
	this->step3 = (int64_t)arg5;
}

pid$target:libvDSP.dylib:vDSP_vm[a]:entry, pid$target:libvDSP.dylib:vDSP_vma[D]:entry
{
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg3;
	this->step3 = (int64_t)arg5;
}

pid$target:libvDSP.dylib:vDSP_dotp[r]:entry, pid$target:libvDSP.dylib:vDSP_dotpr[D]:entry
{
	this->m = (int64_t)arg5;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg3;
}

pid$target:libvDSP.dylib:vDSP_sv[e]:entry, pid$target:libvDSP.dylib:vDSP_sve[D]:entry
{
	this->m = (int64_t)arg3;
	this->step1 = (int64_t)arg1;
}

pid$target:libvDSP.dylib:vDSP_mmu[l]:entry, pid$target:libvDSP.dylib:vDSP_mmul[D]:entry
{
	this->m = (int64_t)arg6;
	this->n = (int64_t)arg7;
	this->step1 = (int64_t)arg1;
	this->step2 = (int64_t)arg3;
	this->step3 = (int64_t)arg5;
}

pid$target:libvMisc.dylib:vvsqrt[f]:entry, pid$target:libvMisc.dylib:vvsqr[t]:entry,
pid$target:libvMisc.dylib:vvrsqrt[f]:entry, pid$target:libvMisc.dylib:vvrsqr[t]:entry,
pid$target:libvMisc.dylib:vvrec[f]:entry, pid$target:libvMisc.dylib:vvre[c]:entry,
pid$target:libvMisc.dylib:vvexp[f]:entry, pid$target:libvMisc.dylib:vvex[p]:entry,
pid$target:libvMisc.dylib:vvlog[f]:entry, pid$target:libvMisc.dylib:vvlo[g]:entry,
pid$target:libvMisc.dylib:vvsin[f]:entry, pid$target:libvMisc.dylib:vvsi[n]:entry,
pid$target:libvMisc.dylib:vvcos[f]:entry, pid$target:libvMisc.dylib:vvco[s]:entry,
pid$target:libvMisc.dylib:vvtanh[f]:entry, pid$target:libvMisc.dylib:vvtan[h]:entry
{
	this->read = 0;
	this->m = (int64_t)*(int *)copyin(arg2, 4);
	this->read = 2;
}

pid$target:libvMisc.dylib:vvpow[f]:entry, pid$target:libvMisc.dylib:vvpo[w]:entry,
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry
{
	this->read = 0;
	this->m = (int64_t)*(int *)copyin(arg3, 4);
	this->read = 2;
}

pid$target:_multiarray_umath*:FLOAT_multipl[y]:entry, pid$target:_multiarray_umath*:FLOAT_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_multipl[y]:entry, pid$target:_multiarray_umath*:DOUBLE_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ad[d]:entry, pid$target:_multiarray_umath*:FLOAT_add_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ad[d]:entry, pid$target:_multiarray_umath*:DOUBLE_add_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_subtrac[t]:entry, pid$target:_multiarray_umath*:FLOAT_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_subtrac[t]:entry, pid$target:_multiarray_umath*:DOUBLE_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_divid[e]:entry, pid$target:_multiarray_umath*:FLOAT_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_divid[e]:entry, pid$target:_multiarray_umath*:DOUBLE_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_maximu[m]:entry, pid$target:_multiarray_umath*:FLOAT_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_maximu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_minimu[m]:entry, pid$target:_multiarray_umath*:FLOAT_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_minimu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_powe[r]:entry, pid$target:_multiarray_umath*:FLOAT_power_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_powe[r]:entry, pid$target:_multiarray_umath*:DOUBLE_power_[XAN]*:entry
{
	this->read = 0;
	this->m = *(int64_t *)copyin(arg1, 8);
	this->step1 = *(int64_t *)copyin(arg2, 8);
	this->step2 = *(int64_t *)copyin(arg2 + 8, 8);
	this->step3 = *(int64_t *)copyin(arg2 + 16, 8);
	this->read = 2;
}

pid$target:_multiarray_umath*:FLOAT_negativ[e]:entry, pid$target:_multiarray_umath*:FLOAT_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_negativ[e]:entry, pid$target:_multiarray_umath*:DOUBLE_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_absolut[e]:entry, pid$target:_multiarray_umath*:FLOAT_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_absolut[e]:entry, pid$target:_multiarray_umath*:DOUBLE_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_squar[e]:entry, pid$target:_multiarray_umath*:FLOAT_square_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_squar[e]:entry, pid$target:_multiarray_umath*:DOUBLE_square_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_sqr[t]:entry, pid$target:_multiarray_umath*:FLOAT_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_sqr[t]:entry, pid$target:_multiarray_umath*:DOUBLE_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ex[p]:entry, pid$target:_multiarray_umath*:FLOAT_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ex[p]:entry, pid$target:_multiarray_umath*:DOUBLE_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_lo[g]:entry, pid$target:_multiarray_umath*:FLOAT_log_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_lo[g]:entry, pid$target:_multiarray_umath*:DOUBLE_log_[XAN]*:entry
{
	this->read = 0;
	this->m = *(int64_t *)copyin(arg1, 8);
	this->step1 = *(int64_t *)copyin(arg2, 8);
	this->step2 = *(int64_t *)copyin(arg2 + 8, 8);
	this->read = 2;
}

pid$target:_multiarray_umath*:FLOAT_matmu[l]:entry, pid$target:_multiarray_umath*:FLOAT_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_matmu[l]:entry, pid$target:_multiarray_umath*:DOUBLE_matmul_[XAN]*:entry
{
	this->read = 0;
	this->m = *(int64_t *)copyin(arg1, 8);
	this->step1 = *(int64_t *)copyin(arg1 + 8, 8);
	this->step2 = *(int64_t *)copyin(arg1 + 16, 8);
	this->step3 = *(int64_t *)copyin(arg1 + 24, 8);
	this->read = 2;
}

pid$target:_multiarray_umath*:FLOAT_vecdo[t]:entry, pid$target:_multiarray_umath*:FLOAT_vecdot_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_vecdo[t]:entry, pid$target:_multiarray_umath*:DOUBLE_vecdot_[XAN]*:entry
{
	this->read = 0;
	this->m = *(int64_t *)copyin(arg1, 8);
	this->step1 = *(int64_t *)copyin(arg1 + 8, 8);
	this->read = 2;
}

pid$target:lib[BLbclmo]*:cblas_[sd]scal:entry, pid$target:lib[BLbclmo]*:cblas_[sd]scal?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]nrm2:entry, pid$target:lib[BLbclmo]*:cblas_[sd]nrm2?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]asum:entry, pid$target:lib[BLbclmo]*:cblas_[sd]asum?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]axpy:entry, pid$target:lib[BLbclmo]*:cblas_[sd]axpy?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]copy:entry, pid$target:lib[BLbclmo]*:cblas_[sd]copy?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]dot:entry, pid$target:lib[BLbclmo]*:cblas_[sd]dot?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]gemv:entry, pid$target:lib[BLbclmo]*:cblas_[sd]gemv?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]ger:entry, pid$target:lib[BLbclmo]*:cblas_[sd]ger?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]gemm:entry, pid$target:lib[BLbclmo]*:cblas_[sd]gemm?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[cz]gemm:entry, pid$target:lib[BLbclmo]*:cblas_[cz]gemm?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]syrk:entry, pid$target:lib[BLbclmo]*:cblas_[sd]syrk?[4N]*:entry,
pid$target:lib[BLbclmo]*:cblas_[sd]trsm:entry, pid$target:lib[BLbclmo]*:cblas_[sd]trsm?[4N]*:entry,
pid$target:lib[BLbclmo]*:[sd]gesv_:entry, pid$target:lib[BLbclmo]*:[sd]gesv?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]getrf_:entry, pid$target:lib[BLbclmo]*:[sd]getrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]geqrf_:entry, pid$target:lib[BLbclmo]*:[sd]geqrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]potrf_:entry, pid$target:lib[BLbclmo]*:[sd]potrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]gesdd_:entry, pid$target:lib[BLbclmo]*:[sd]gesdd?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]syevd_:entry, pid$target:lib[BLbclmo]*:[sd]syevd?[6N]*:entry,
pid$target:libvDSP.dylib:vDSP_vsmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vsad[d]:entry,
pid$target:libvDSP.dylib:vDSP_vsdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vsmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsadd[D]:entry, pid$target:libvDSP.dylib:vDSP_vsdiv[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsm[a]:entry, pid$target:libvDSP.dylib:vDSP_vsma[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsms[a]:entry, pid$target:libvDSP.dylib:vDSP_vsmsa[D]:entry,
pid$target:libvDSP.dylib:vDSP_vad[d]:entry, pid$target:libvDSP.dylib:vDSP_vadd[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsu[b]:entry, pid$target:libvDSP.dylib:vDSP_vsub[D]:entry,
pid$target:libvDSP.dylib:vDSP_vmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vdiv[D]:entry,
pid$target:libvDSP.dylib:vDSP_vm[a]:entry, pid$target:libvDSP.dylib:vDSP_vma[D]:entry,
pid$target:libvDSP.dylib:vDSP_dotp[r]:entry, pid$target:libvDSP.dylib:vDSP_dotpr[D]:entry,
pid$target:libvDSP.dylib:vDSP_sv[e]:entry, pid$target:libvDSP.dylib:vDSP_sve[D]:entry,
pid$target:libvDSP.dylib:vDSP_mmu[l]:entry, pid$target:libvDSP.dylib:vDSP_mmul[D]:entry,
pid$target:libvMisc.dylib:vvsqrt[f]:entry, pid$target:libvMisc.dylib:vvsqr[t]:entry,
pid$target:libvMisc.dylib:vvrsqrt[f]:entry, pid$target:libvMisc.dylib:vvrsqr[t]:entry,
pid$target:libvMisc.dylib:vvrec[f]:entry, pid$target:libvMisc.dylib:vvre[c]:entry,
pid$target:libvMisc.dylib:vvexp[f]:entry, pid$target:libvMisc.dylib:vvex[p]:entry,
pid$target:libvMisc.dylib:vvlog[f]:entry, pid$target:libvMisc.dylib:vvlo[g]:entry,
pid$target:libvMisc.dylib:vvsin[f]:entry, pid$target:libvMisc.dylib:vvsi[n]:entry,
pid$target:libvMisc.dylib:vvcos[f]:entry, pid$target:libvMisc.dylib:vvco[s]:entry,
pid$target:libvMisc.dylib:vvtanh[f]:entry, pid$target:libvMisc.dylib:vvtan[h]:entry,
pid$target:libvMisc.dylib:vvpow[f]:entry, pid$target:libvMisc.dylib:vvpo[w]:entry,
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry,
pid$target:_multiarray_umath*:FLOAT_multipl[y]:entry, pid$target:_multiarray_umath*:FLOAT_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_multipl[y]:entry, pid$target:_multiarray_umath*:DOUBLE_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ad[d]:entry, pid$target:_multiarray_umath*:FLOAT_add_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ad[d]:entry, pid$target:_multiarray_umath*:DOUBLE_add_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_subtrac[t]:entry, pid$target:_multiarray_umath*:FLOAT_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_subtrac[t]:entry, pid$target:_multiarray_umath*:DOUBLE_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_divid[e]:entry, pid$target:_multiarray_umath*:FLOAT_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_divid[e]:entry, pid$target:_multiarray_umath*:DOUBLE_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_maximu[m]:entry, pid$target:_multiarray_umath*:FLOAT_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_maximu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_minimu[m]:entry, pid$target:_multiarray_umath*:FLOAT_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_minimu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_powe[r]:entry, pid$target:_multiarray_umath*:FLOAT_power_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_powe[r]:entry, pid$target:_multiarray_umath*:DOUBLE_power_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_negativ[e]:entry, pid$target:_multiarray_umath*:FLOAT_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_negativ[e]:entry, pid$target:_multiarray_umath*:DOUBLE_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_absolut[e]:entry, pid$target:_multiarray_umath*:FLOAT_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_absolut[e]:entry, pid$target:_multiarray_umath*:DOUBLE_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_squar[e]:entry, pid$target:_multiarray_umath*:FLOAT_square_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_squar[e]:entry, pid$target:_multiarray_umath*:DOUBLE_square_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_sqr[t]:entry, pid$target:_multiarray_umath*:FLOAT_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_sqr[t]:entry, pid$target:_multiarray_umath*:DOUBLE_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ex[p]:entry, pid$target:_multiarray_umath*:FLOAT_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ex[p]:entry, pid$target:_multiarray_umath*:DOUBLE_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_lo[g]:entry, pid$target:_multiarray_umath*:FLOAT_log_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_lo[g]:entry, pid$target:_multiarray_umath*:DOUBLE_log_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_matmu[l]:entry, pid$target:_multiarray_umath*:FLOAT_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_matmu[l]:entry, pid$target:_multiarray_umath*:DOUBLE_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_vecdo[t]:entry, pid$target:_multiarray_umath*:FLOAT_vecdot_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_vecdo[t]:entry, pid$target:_multiarray_umath*:DOUBLE_vecdot_[XAN]*:entry
/this->read == 2/
{
	@a_shapes[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3, this->scalar] = sum(1 - this->b);
	@b_shapes[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3, this->scalar] = sum(this->b);
}

pid$target:libvDSP.dylib:vDSP_vsmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vsad[d]:entry,
pid$target:libvDSP.dylib:vDSP_vsdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vsmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsadd[D]:entry, pid$target:libvDSP.dylib:vDSP_vsdiv[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsm[a]:entry, pid$target:libvDSP.dylib:vDSP_vsma[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsms[a]:entry, pid$target:libvDSP.dylib:vDSP_vsmsa[D]:entry
/this->read == 1/
{
	@a_no_scalar[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3] = sum(1 - this->b);
	@b_no_scalar[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3] = sum(this->b);
}

pid$target:lib[BLbclmo]*:[sd]gesv_:entry, pid$target:lib[BLbclmo]*:[sd]gesv?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]getrf_:entry, pid$target:lib[BLbclmo]*:[sd]getrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]geqrf_:entry, pid$target:lib[BLbclmo]*:[sd]geqrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]potrf_:entry, pid$target:lib[BLbclmo]*:[sd]potrf?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]gesdd_:entry, pid$target:lib[BLbclmo]*:[sd]gesdd?[6N]*:entry,
pid$target:lib[BLbclmo]*:[sd]syevd_:entry, pid$target:lib[BLbclmo]*:[sd]syevd?[6N]*:entry,
pid$target:libvMisc.dylib:vvsqrt[f]:entry, pid$target:libvMisc.dylib:vvsqr[t]:entry,
pid$target:libvMisc.dylib:vvrsqrt[f]:entry, pid$target:libvMisc.dylib:vvrsqr[t]:entry,
pid$target:libvMisc.dylib:vvrec[f]:entry, pid$target:libvMisc.dylib:vvre[c]:entry,
pid$target:libvMisc.dylib:vvexp[f]:entry, pid$target:libvMisc.dylib:vvex[p]:entry,
pid$target:libvMisc.dylib:vvlog[f]:entry, pid$target:libvMisc.dylib:vvlo[g]:entry,
pid$target:libvMisc.dylib:vvsin[f]:entry, pid$target:libvMisc.dylib:vvsi[n]:entry,
pid$target:libvMisc.dylib:vvcos[f]:entry, pid$target:libvMisc.dylib:vvco[s]:entry,
pid$target:libvMisc.dylib:vvtanh[f]:entry, pid$target:libvMisc.dylib:vvtan[h]:entry,
pid$target:libvMisc.dylib:vvpow[f]:entry, pid$target:libvMisc.dylib:vvpo[w]:entry,
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry,
pid$target:_multiarray_umath*:FLOAT_multipl[y]:entry, pid$target:_multiarray_umath*:FLOAT_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_multipl[y]:entry, pid$target:_multiarray_umath*:DOUBLE_multiply_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ad[d]:entry, pid$target:_multiarray_umath*:FLOAT_add_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ad[d]:entry, pid$target:_multiarray_umath*:DOUBLE_add_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_subtrac[t]:entry, pid$target:_multiarray_umath*:FLOAT_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_subtrac[t]:entry, pid$target:_multiarray_umath*:DOUBLE_subtract_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_divid[e]:entry, pid$target:_multiarray_umath*:FLOAT_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_divid[e]:entry, pid$target:_multiarray_umath*:DOUBLE_divide_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_maximu[m]:entry, pid$target:_multiarray_umath*:FLOAT_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_maximu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_maximum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_minimu[m]:entry, pid$target:_multiarray_umath*:FLOAT_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_minimu[m]:entry, pid$target:_multiarray_umath*:DOUBLE_minimum_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_powe[r]:entry, pid$target:_multiarray_umath*:FLOAT_power_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_powe[r]:entry, pid$target:_multiarray_umath*:DOUBLE_power_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_negativ[e]:entry, pid$target:_multiarray_umath*:FLOAT_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_negativ[e]:entry, pid$target:_multiarray_umath*:DOUBLE_negative_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_absolut[e]:entry, pid$target:_multiarray_umath*:FLOAT_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_absolut[e]:entry, pid$target:_multiarray_umath*:DOUBLE_absolute_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_squar[e]:entry, pid$target:_multiarray_umath*:FLOAT_square_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_squar[e]:entry, pid$target:_multiarray_umath*:DOUBLE_square_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_sqr[t]:entry, pid$target:_multiarray_umath*:FLOAT_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_sqr[t]:entry, pid$target:_multiarray_umath*:DOUBLE_sqrt_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_ex[p]:entry, pid$target:_multiarray_umath*:FLOAT_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_ex[p]:entry, pid$target:_multiarray_umath*:DOUBLE_exp_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_lo[g]:entry, pid$target:_multiarray_umath*:FLOAT_log_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_lo[g]:entry, pid$target:_multiarray_umath*:DOUBLE_log_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_matmu[l]:entry, pid$target:_multiarray_umath*:FLOAT_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_matmu[l]:entry, pid$target:_multiarray_umath*:DOUBLE_matmul_[XAN]*:entry,
pid$target:_multiarray_umath*:FLOAT_vecdo[t]:entry, pid$target:_multiarray_umath*:FLOAT_vecdot_[XAN]*:entry,
pid$target:_multiarray_umath*:DOUBLE_vecdo[t]:entry, pid$target:_multiarray_umath*:DOUBLE_vecdot_[XAN]*:entry
/this->read == 0/
{
	@a_no_shape[probefunc] = sum(1 - this->b);
	@b_no_shape[probefunc] = sum(this->b);
}

raptors$target:::scale-entry
{
	raptors_seen = 1;
	seen = 1;
	self->scale++;
	this->b = 1 ? 1 : 0;
	@a["raptors scale"] = sum(1 - this->b);
	@b["raptors scale"] = sum(this->b);
	@a_shapes["raptors scale", (int64_t)arg0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0,
	    (int64_t)arg2] = sum(1 - this->b);
	@b_shapes["raptors scale", (int64_t)arg0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0,
	    (int64_t)arg2] = sum(this->b);
}

raptors$target:::chunk-entry
{
	self->scale++;
}

raptors$target:::scale-return,
raptors$target:::chunk-return
/self->scale/
{
	self->scale--;
}

/* A string cannot be read where its page is not in memory: DTrace leaves the clause, and a dash stands for it. */
raptors$target:::dispatch
{
	this->backend = "-";
	this->reason = "-";
}

raptors$target:::dispatch
{
	this->backend = copyinstr(arg0);
	this->reason = copyinstr(arg1);
}

raptors$target:::dispatch
{
	@dispatched[this->backend, this->reason, (uint32_t)arg2, arg3] = count();
}

proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printf("\n%-40s %12s %12s\n", "routine or loop", "NumPy", "Raptors");
	printa("%-40s %@12d %@12d\n", @a, @b);
	printf("\n%-32s %8s %7s %7s %7s %7s %7s %11s %9s %9s\n", "by shape", "m", "n", "k", "step1", "step2", "step3",
	    "scalar", "NumPy", "Raptors");
	printa("%-32s %8d %7d %7d %7d %7d %7d %#11x %@9d %@9d\n", @a_shapes, @b_shapes);
	printa("%-32s %8d %7d %7d %7d %7d %7d           - %@9d %@9d\n", @a_no_scalar, @b_no_scalar);
	printa("%-32s        -       -       -       -       -       -           - %@9d %@9d\n", @a_no_shape, @b_no_shape);
}

dtrace:::END
/raptors_seen/
{
	printf("\n%-24s %-48s %7s %9s %9s\n", "Raptors", "reason", "threads", "n", "calls");
	printa("%-24s %-48s %7d %9d %@9d\n", @dispatched);
}

dtrace:::END
/!seen && !raptors_seen/
{
	printf("\nNo call was seen: none was made while this ran, its libraries were loaded after this was attached, or\n");
	printf("(on Linux) they are of a kind that DTrace cannot probe. Let the process do `a @ a` once.\n");
}
