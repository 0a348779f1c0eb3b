#!/usr/sbin/dtrace -s
/*
 * page_faults.d: how many page faults each side takes, where, and how many for each operation.
 *
 *   sudo dtrace -s dtrace/page_faults.d -p PID      a running process; Ctrl-C ends it
 *   sudo dtrace -s dtrace/page_faults.d -c 'CMD'    a command, for what it is linked to
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. Attach after the process has imported
 * NumPy and Raptors: DTrace does not see a library that is loaded later.
 *
 * WHAT IS ARMED
 * Page faults of the process (vminfo:::as_fault on macOS, the kernel's page_fault_user on Linux), the probes of the
 * Raptors kernel, and these of NumPy's inner loops:
 *   np.multiply[ff->f] np.multiply[dd->d] np.add[ff->f] np.add[dd->d] np.subtract[ff->f] np.subtract[dd->d]
 *   np.divide[ff->f] np.divide[dd->d] np.negative[f->f] np.negative[d->d] np.absolute[f->f] np.absolute[d->d]
 *   np.square[f->f] np.square[d->d] np.sqrt[f->f] np.sqrt[d->d] np.exp[f->f] np.exp[d->d] np.log[f->f] np.log[d->d]
 *   np.maximum[ff->f] np.maximum[dd->d] np.minimum[ff->f] np.minimum[dd->d] np.power[ff->f] np.power[dd->d]
 *   np.matmul[ff->f] np.matmul[dd->d] np.vecdot[ff->f] np.vecdot[dd->d]
 *
 * SAMPLE
 *   ten `a * 2.5` and ten r.scale(2.5) at 2048 x 2048, huge pages by madvise:
 *   where                                           faults
 *   Raptors: rest of the operation                       2
 *   elsewhere: interpreter, allocation, free             3
 *   NumPy: inner loop                                 1033
 *
 *   operation                                        calls    faults  faults a call
 *   FLOAT_multiply_X86_V3                               10      1030            103
 *   Raptors: scale                                      11         2              0
 *
 * HOW TO READ IT
 * where: a fault inside a NumPy loop or a Raptors backend is mostly a first touch of the result's fresh pages. A side
 * with hundreds of faults for an operation pays for memory, not for arithmetic: 4 KiB each, 0.1 to 3 us each.
 * faults per operation: their average; the first operations fault more, until the allocator keeps the memory.
 * On Linux a fault that brings a huge page (2 MiB) counts once, as any other does.
 *
 * Made from probes/provider.d by `cargo xtask scripts`. Tried on x86-64 Linux; not yet run on a Mac.
 */
#pragma D option quiet
#pragma D option zdefs

int seen;
self int faults;
self int loop;
self int scale;
self int alloc;
self int backend;
int raptors_seen;
int loops_seen;

dtrace:::BEGIN
{
	printf("Process %d: its page faults are counted. Ctrl-C or its end prints the report.\n", $target);
}

vminfo:::as_fault,
sdt:exceptions::page_fault_user
/pid == $target/
{
	seen = 1;
	self->faults++;
	@faults[self->backend ? "Raptors: backend" : self->alloc ? "Raptors: allocation" :
	    self->scale ? "Raptors: rest of the operation" : self->loop ? "NumPy: inner loop" :
	    "elsewhere: interpreter, allocation, free"] = count();
	@threads[tid] = count();
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
	loops_seen = 1;
	self->loop++;
	self->loop_faults = self->faults;
}

pid$target:_multiarray_umath*:FLOAT_multipl[y]:return, pid$target:_multiarray_umath*:FLOAT_multiply_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_multipl[y]:return, pid$target:_multiarray_umath*:DOUBLE_multiply_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_ad[d]:return, pid$target:_multiarray_umath*:FLOAT_add_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_ad[d]:return, pid$target:_multiarray_umath*:DOUBLE_add_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_subtrac[t]:return, pid$target:_multiarray_umath*:FLOAT_subtract_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_subtrac[t]:return, pid$target:_multiarray_umath*:DOUBLE_subtract_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_divid[e]:return, pid$target:_multiarray_umath*:FLOAT_divide_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_divid[e]:return, pid$target:_multiarray_umath*:DOUBLE_divide_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_maximu[m]:return, pid$target:_multiarray_umath*:FLOAT_maximum_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_maximu[m]:return, pid$target:_multiarray_umath*:DOUBLE_maximum_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_minimu[m]:return, pid$target:_multiarray_umath*:FLOAT_minimum_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_minimu[m]:return, pid$target:_multiarray_umath*:DOUBLE_minimum_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_powe[r]:return, pid$target:_multiarray_umath*:FLOAT_power_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_powe[r]:return, pid$target:_multiarray_umath*:DOUBLE_power_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_negativ[e]:return, pid$target:_multiarray_umath*:FLOAT_negative_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_negativ[e]:return, pid$target:_multiarray_umath*:DOUBLE_negative_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_absolut[e]:return, pid$target:_multiarray_umath*:FLOAT_absolute_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_absolut[e]:return, pid$target:_multiarray_umath*:DOUBLE_absolute_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_squar[e]:return, pid$target:_multiarray_umath*:FLOAT_square_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_squar[e]:return, pid$target:_multiarray_umath*:DOUBLE_square_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_sqr[t]:return, pid$target:_multiarray_umath*:FLOAT_sqrt_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_sqr[t]:return, pid$target:_multiarray_umath*:DOUBLE_sqrt_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_ex[p]:return, pid$target:_multiarray_umath*:FLOAT_exp_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_ex[p]:return, pid$target:_multiarray_umath*:DOUBLE_exp_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_lo[g]:return, pid$target:_multiarray_umath*:FLOAT_log_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_lo[g]:return, pid$target:_multiarray_umath*:DOUBLE_log_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_matmu[l]:return, pid$target:_multiarray_umath*:FLOAT_matmul_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_matmu[l]:return, pid$target:_multiarray_umath*:DOUBLE_matmul_[XAN]*:return,
pid$target:_multiarray_umath*:FLOAT_vecdo[t]:return, pid$target:_multiarray_umath*:FLOAT_vecdot_[XAN]*:return,
pid$target:_multiarray_umath*:DOUBLE_vecdo[t]:return, pid$target:_multiarray_umath*:DOUBLE_vecdot_[XAN]*:return
/self->loop/
{
	self->loop--;
	@loops[probefunc] = count();
	@loop_total[probefunc] = sum(self->faults - self->loop_faults);
	@loop_average[probefunc] = avg(self->faults - self->loop_faults);
}

raptors$target:::scale-entry
{
	raptors_seen = 1;
	self->scale = 1;
	self->scale_faults = self->faults;
}

raptors$target:::alloc-entry
{
	self->alloc = 1;
}

raptors$target:::alloc-return
{
	self->alloc = 0;
}

raptors$target:::backend-entry,
raptors$target:::chunk-entry
{
	self->backend++;
}

raptors$target:::backend-return,
raptors$target:::chunk-return
/self->backend/
{
	self->backend--;
}

raptors$target:::scale-return
/self->scale/
{
	self->scale = 0;
	@scales["scale"] = count();
	@scale_total["scale"] = sum(self->faults - self->scale_faults);
	@scale_average["scale"] = avg(self->faults - self->scale_faults);
}

proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
{
	printf("\n%-44s %9s\n", "where", "faults");
	printa("%-44s %@9d\n", @faults);
	printf("\nby thread\n");
	printa("  thread %d: %@d\n", @threads);
	printf("\n%-44s %9s %9s %14s\n", "operation", "calls", "faults", "faults a call");
}

dtrace:::END
/loops_seen/
{
	printa("%-44s %@9d %@9d %@14d\n", @loops, @loop_total, @loop_average);
}

dtrace:::END
/raptors_seen/
{
	printa("Raptors: %-35s %@9d %@9d %@14d\n", @scales, @scale_total, @scale_average);
}

dtrace:::END
/!seen/
{
	printf("\nNo page fault was seen: the process did nothing, or this system counts them under another name\n");
	printf("(dtrace -l | grep -i fault).\n");
}
