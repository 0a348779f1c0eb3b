#!/usr/sbin/dtrace -s
/*
 * trace_accelerate_calls.d: which routines of Accelerate or BLAS a process calls, how often, how long, with what.
 *
 *   sudo dtrace -s dtrace/trace_accelerate_calls.d -p PID      a running process; Ctrl-C ends it
 *   sudo dtrace -s dtrace/trace_accelerate_calls.d -c 'CMD'    a command, for what it is linked to
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. A library that is loaded later is not
 * seen: start your program, let it import what it needs, then attach with -p. macOS protects the programs that Apple
 * signs from DTrace, not a Python of your own (not verified by the authors).
 *
 * WHAT IS ARMED
 * Entry and return of 82 routines, as far as the process has loaded them, and the probes of the Raptors kernel:
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
 *   a program on Linux that calls libraries standing in for libvDSP.dylib and libBLAS.dylib (times are not Apple's):
 *   Process 8289: 82 routines and the probes of Raptors are armed, as far as it has loaded them.
 *   vDSP_vsmul first called from 0x562940eeb222,   caller`main
 *   vDSP_vsmul first called from 0x7f1c4edee1f6,   libvDSP.dylib`vDSP_vmul
 *
 *   routine                              calls    nested       total ns   average ns
 *   vDSP_vmul                                1         0          81420        81420
 *   cblas_sgemm                              7         0         213267        30466
 *   vDSP_vsmul                              13         3         268869        20682
 *
 *   shapes
 *   routine                                m       n       k   step1   step2   step3             scalar   calls
 *   vDSP_vmul                              3       0       0       1       1       1                  0       1
 *   vDSP_vsmul                             1       0       0       1       1       0                  0       3
 *   cblas_sgemm                            8       9      10      64       0       0                  0       7
 *   vDSP_vsmul                          4096       0       0       1       1       0         0x40200000      10
 *
 *   callers: the routine, the calling module, calls
 *     vDSP_vsmul                       libvDSP.dylib                            3
 *     cblas_sgemm                      caller                                   7
 *     vDSP_vsmul                       caller                                  10
 *
 * HOW TO READ IT
 * calls, total, average: from entry to return, what the routine calls included, and what DTrace costs: 1 to 20 us for
 *   a call on Linux. Trust the counts; compare the times with each other, not with a stopwatch.
 * nested: calls from inside another armed routine: the library calling itself. They are counted in calls as well.
 * shapes: m, n, k and steps (increments of vectors, leading dimensions of matrices) as the catalogue knows their places;
 *   0 where the routine has none or it is not among the first eight arguments. A vector's length is in m. scalar is the
 *   bits of the scalar that vDSP takes by pointer: 0x40200000 is the float 2.5. A dash: it lay in memory that DTrace
 *   could not read.
 * callers: the file that called. In the script for any process they are named while the process lives; of one that has
 *   ended only the lines "first called from" tell. One that is filled in for a process knows them by their addresses.
 *   On Apple silicon the caller is `ucaller`, on x86-64 the word on top of the stack.
 * NumPy's own loops are in compare_call_patterns.d, and in the .bt twin of this script.
 * A zero means nothing until the script has been seen to work: let the process do `a @ a` once, and find it here.
 * That on macOS NumPy's `a * 2.5` calls none of these is what the zero of such a run shows.
 *
 * Made from the catalogue in routines/ and from probes/provider.d by `cargo xtask scripts`. Counted on x86-64 Linux
 * with libraries that stand in for Accelerate's; not yet run on a Mac.
 */
#pragma D option quiet
#pragma D option zdefs
#pragma D option switchrate=10hz
#pragma D option dynvarsize=16m

int seen;
self int scale;
int raptors_seen;

dtrace:::BEGIN
{
	printf("Process %d: 82 routines and the probes of Raptors are armed, as far as it has loaded them.\n", $target);
	printf("Ctrl-C or the end of the process ends it and prints the report.\n");
}

/* Every call is counted. The depth tells one from another inside it, and each has its own clock. */
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
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry
{
	this->m = this->n = this->k = this->step1 = this->step2 = this->step3 = this->scalar = (int64_t)0;
	this->read = 2;
seen = 1;
	self->depth++;
	self->began[self->depth] = timestamp;
	@threads[probefunc, tid] = count();
	@nested[probefunc] = sum(self->depth > 1 ? 1 : 0);
	@in_scale[probefunc] = sum(self->scale > 0 && self->depth == 1 ? 1 : 0);
	this->from = (uint64_t)0;
	/* The stack pointer is a multiple of 16 at a function's entry on arm64, and 8 more than one on x86-64. */
	this->from = uregs[R_SP] & 8 ? *(uint64_t *)copyin(uregs[R_SP], 8) : (uint64_t)ucaller;
	@callers[probefunc, umod(this->from)] = count();
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
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry
/!named[this->from]/
{
	named[this->from] = 1;
	printf("%s first called from 0x%x, ", probefunc, this->from);
	usym(this->from);
	printf("\n");
}

/* Where the sizes of each routine stand. */
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
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry
/this->read == 2/
{
	@shapes[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3, this->scalar] = count();
}

pid$target:libvDSP.dylib:vDSP_vsmu[l]:entry, pid$target:libvDSP.dylib:vDSP_vsad[d]:entry,
pid$target:libvDSP.dylib:vDSP_vsdi[v]:entry, pid$target:libvDSP.dylib:vDSP_vsmul[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsadd[D]:entry, pid$target:libvDSP.dylib:vDSP_vsdiv[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsm[a]:entry, pid$target:libvDSP.dylib:vDSP_vsma[D]:entry,
pid$target:libvDSP.dylib:vDSP_vsms[a]:entry, pid$target:libvDSP.dylib:vDSP_vsmsa[D]:entry
/this->read == 1/
{
	@no_scalar[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3] = count();
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
pid$target:libvMisc.dylib:vvdiv[f]:entry, pid$target:libvMisc.dylib:vvdi[v]:entry
/this->read == 0/
{
	@no_shape[probefunc] = count();
}

pid$target:lib[BLbclmo]*:cblas_[sd]scal:return, pid$target:lib[BLbclmo]*:cblas_[sd]scal?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]nrm2:return, pid$target:lib[BLbclmo]*:cblas_[sd]nrm2?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]asum:return, pid$target:lib[BLbclmo]*:cblas_[sd]asum?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]axpy:return, pid$target:lib[BLbclmo]*:cblas_[sd]axpy?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]copy:return, pid$target:lib[BLbclmo]*:cblas_[sd]copy?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]dot:return, pid$target:lib[BLbclmo]*:cblas_[sd]dot?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]gemv:return, pid$target:lib[BLbclmo]*:cblas_[sd]gemv?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]ger:return, pid$target:lib[BLbclmo]*:cblas_[sd]ger?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]gemm:return, pid$target:lib[BLbclmo]*:cblas_[sd]gemm?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[cz]gemm:return, pid$target:lib[BLbclmo]*:cblas_[cz]gemm?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]syrk:return, pid$target:lib[BLbclmo]*:cblas_[sd]syrk?[4N]*:return,
pid$target:lib[BLbclmo]*:cblas_[sd]trsm:return, pid$target:lib[BLbclmo]*:cblas_[sd]trsm?[4N]*:return,
pid$target:lib[BLbclmo]*:[sd]gesv_:return, pid$target:lib[BLbclmo]*:[sd]gesv?[6N]*:return,
pid$target:lib[BLbclmo]*:[sd]getrf_:return, pid$target:lib[BLbclmo]*:[sd]getrf?[6N]*:return,
pid$target:lib[BLbclmo]*:[sd]geqrf_:return, pid$target:lib[BLbclmo]*:[sd]geqrf?[6N]*:return,
pid$target:lib[BLbclmo]*:[sd]potrf_:return, pid$target:lib[BLbclmo]*:[sd]potrf?[6N]*:return,
pid$target:lib[BLbclmo]*:[sd]gesdd_:return, pid$target:lib[BLbclmo]*:[sd]gesdd?[6N]*:return,
pid$target:lib[BLbclmo]*:[sd]syevd_:return, pid$target:lib[BLbclmo]*:[sd]syevd?[6N]*:return,
pid$target:libvDSP.dylib:vDSP_vsmu[l]:return, pid$target:libvDSP.dylib:vDSP_vsad[d]:return,
pid$target:libvDSP.dylib:vDSP_vsdi[v]:return, pid$target:libvDSP.dylib:vDSP_vsmul[D]:return,
pid$target:libvDSP.dylib:vDSP_vsadd[D]:return, pid$target:libvDSP.dylib:vDSP_vsdiv[D]:return,
pid$target:libvDSP.dylib:vDSP_vsm[a]:return, pid$target:libvDSP.dylib:vDSP_vsma[D]:return,
pid$target:libvDSP.dylib:vDSP_vsms[a]:return, pid$target:libvDSP.dylib:vDSP_vsmsa[D]:return,
pid$target:libvDSP.dylib:vDSP_vad[d]:return, pid$target:libvDSP.dylib:vDSP_vadd[D]:return,
pid$target:libvDSP.dylib:vDSP_vsu[b]:return, pid$target:libvDSP.dylib:vDSP_vsub[D]:return,
pid$target:libvDSP.dylib:vDSP_vmu[l]:return, pid$target:libvDSP.dylib:vDSP_vmul[D]:return,
pid$target:libvDSP.dylib:vDSP_vdi[v]:return, pid$target:libvDSP.dylib:vDSP_vdiv[D]:return,
pid$target:libvDSP.dylib:vDSP_vm[a]:return, pid$target:libvDSP.dylib:vDSP_vma[D]:return,
pid$target:libvDSP.dylib:vDSP_dotp[r]:return, pid$target:libvDSP.dylib:vDSP_dotpr[D]:return,
pid$target:libvDSP.dylib:vDSP_sv[e]:return, pid$target:libvDSP.dylib:vDSP_sve[D]:return,
pid$target:libvDSP.dylib:vDSP_mmu[l]:return, pid$target:libvDSP.dylib:vDSP_mmul[D]:return,
pid$target:libvMisc.dylib:vvsqrt[f]:return, pid$target:libvMisc.dylib:vvsqr[t]:return,
pid$target:libvMisc.dylib:vvrsqrt[f]:return, pid$target:libvMisc.dylib:vvrsqr[t]:return,
pid$target:libvMisc.dylib:vvrec[f]:return, pid$target:libvMisc.dylib:vvre[c]:return,
pid$target:libvMisc.dylib:vvexp[f]:return, pid$target:libvMisc.dylib:vvex[p]:return,
pid$target:libvMisc.dylib:vvlog[f]:return, pid$target:libvMisc.dylib:vvlo[g]:return,
pid$target:libvMisc.dylib:vvsin[f]:return, pid$target:libvMisc.dylib:vvsi[n]:return,
pid$target:libvMisc.dylib:vvcos[f]:return, pid$target:libvMisc.dylib:vvco[s]:return,
pid$target:libvMisc.dylib:vvtanh[f]:return, pid$target:libvMisc.dylib:vvtan[h]:return,
pid$target:libvMisc.dylib:vvpow[f]:return, pid$target:libvMisc.dylib:vvpo[w]:return,
pid$target:libvMisc.dylib:vvdiv[f]:return, pid$target:libvMisc.dylib:vvdi[v]:return
/self->depth/
{
	this->ns = timestamp - self->began[self->depth];
	self->began[self->depth] = 0;
	self->depth--;
	@calls[probefunc] = count();
	@total[probefunc] = sum(this->ns);
	@average[probefunc] = avg(this->ns);
	@times[probefunc] = quantize(this->ns);
}

raptors$target:::scale-entry
{
	raptors_seen = 1;
	self->scale++;
	self->scale_began = timestamp;
	@scales[arg0, (uint32_t)arg1] = count();
}

raptors$target:::scale-return
/self->scale/
{
	self->scale--;
	@scale_calls["scale"] = count();
	@scale_total["scale"] = sum(timestamp - self->scale_began);
	@scale_average["scale"] = avg(timestamp - self->scale_began);
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
	@dispatched[this->backend, this->reason, (uint32_t)arg2] = count();
}

proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printf("\n%-32s %9s %9s %14s %12s\n", "routine", "calls", "nested", "total ns", "average ns");
	printa("%-32s %@9d %@9d %@14d %@12d\n", @calls, @nested, @total, @average);
	printf("\nshapes\n%-32s %7s %7s %7s %7s %7s %7s %18s %7s\n", "routine", "m", "n", "k", "step1", "step2", "step3", "scalar", "calls");
	printa("%-32s %7d %7d %7d %7d %7d %7d %#18x %@7d\n", @shapes);
	printa("%-32s %7d %7d %7d %7d %7d %7d                  - %@7d\n", @no_scalar);
	printa("%-32s       -       -       -       -       -       -                  - %@7d\n", @no_shape);
	printf("\nthreads\n%-32s %9s %9s\n", "routine", "thread", "calls");
	printa("%-32s %9d %@9d\n", @threads);
	printf("\ncallers: the routine, the calling module, calls\n");
	printa(@callers);
	printf("\ntime of each call, ns\n");
	printa(@times);
}

dtrace:::END
/!seen/
{
	printf("\nNo routine was seen: none was called while this ran, or none could be. Reasons that occur:\n");
	printf("  the process has none of the libraries loaded, or loaded one only after this was attached;\n");
	printf("  on Linux, pip's NumPy has an OpenBLAS that DTrace cannot probe (use the .bt twin of this script);\n");
	printf("  the process did nothing: let it do `a @ a` once, which has to appear.\n");
	printf("What is armed there: dtrace -l -n 'pid$target:lib*:cblas_*:entry' -p %d\n", $target);
}

dtrace:::END
/raptors_seen/
{
	printf("\n%-32s %9s %9s %14s %12s\n", "Raptors", "calls", "", "total ns", "average ns");
	printa("%-32s %@9d           %@14d %@12d\n", @scale_calls, @scale_total, @scale_average);
	printa("  n = %d, item size %d: %@d calls\n", @scales);
	printa("  dispatched to %s (%s), %d threads: %@d calls\n", @dispatched);
	printf("routines called inside a scale, outermost ones\n");
	printa("%-32s %@9d\n", @in_scale);
}

dtrace:::END
/!raptors_seen/
{
	printf("\nNo operation of Raptors was seen.\n");
	trunc(@in_scale);
}
