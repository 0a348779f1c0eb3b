{% import "reads" as reads %}
#!/usr/sbin/dtrace -s
/*
 * trace_accelerate_calls.d: which routines of Accelerate or BLAS a process calls, how often, how long, with what.
 *
{% include "usage" %}
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. A library that is loaded later is not
 * seen: start your program, let it import what it needs, then attach with -p. macOS protects the programs that Apple
 * signs from DTrace, not a Python of your own (not verified by the authors).
 *
 * WHAT IS ARMED
 * Entry and return of {{ asked }} routines, as far as the process has loaded them, and the probes of the Raptors kernel:
{% include "armed" %}
{{ left_out }} *
 * SAMPLE
{{ sample }}
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
	printf("Process %d: {{ asked }} routines and the probes of Raptors are armed, as far as it has loaded them.\n", $target);
	printf("Ctrl-C or the end of the process ends it and prints the report.\n");
}

/* Every call is counted. The depth tells one from another inside it, and each has its own clock. */
{{ routine_places|probes("entry") }}
{
{{ reads.begin() -}}
	seen = 1;
	self->depth++;
	self->began[self->depth] = timestamp;
	@threads[probefunc, tid] = count();
	@nested[probefunc] = sum(self->depth > 1 ? 1 : 0);
	@in_scale[probefunc] = sum(self->scale > 0 && self->depth == 1 ? 1 : 0);
	this->from = (uint64_t)0;
	/* The stack pointer is a multiple of 16 at a function's entry on arm64, and 8 more than one on x86-64. */
	this->from = uregs[R_SP] & 8 ? *(uint64_t *)copyin(uregs[R_SP], 8) : (uint64_t)ucaller;
{% if modules %}
	@callers[probefunc,
{% for module in modules %}
	    this->from >= {{ module.start }} && this->from < {{ module.end }} ? "{{ module.name }}" :
{% endfor %}
	    "another file"] = count();
{% else %}
	@callers[probefunc, umod(this->from)] = count();
{% endif %}
}

{{ routine_places|probes("entry") }}
/!named[this->from]/
{
	named[this->from] = 1;
	printf("%s first called from 0x%x, ", probefunc, this->from);
	usym(this->from);
	printf("\n");
}

/* Where the sizes of each routine stand. */
{{ reads.sizes(routines) -}}
{{ routine_places|probes("entry") }}
/this->read == 2/
{
	@shapes[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3, this->scalar] = count();
}

{% if scalar_places %}
{{ scalar_places|probes("entry") }}
/this->read == 1/
{
	@no_scalar[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3] = count();
}

{% endif %}
{% if memory_places %}
{{ memory_places|probes("entry") }}
/this->read == 0/
{
	@no_shape[probefunc] = count();
}

{% endif %}
{{ routine_places|probes("return") }}
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

{{ probe("scale__entry") }}
{
	raptors_seen = 1;
	self->scale++;
	self->scale_began = timestamp;
	@scales[{{ argument("scale__entry.n") }}, {{ argument("scale__entry.item_size") }}] = count();
}

{{ probe("scale__return") }}
/self->scale/
{
	self->scale--;
	@scale_calls["scale"] = count();
	@scale_total["scale"] = sum(timestamp - self->scale_began);
	@scale_average["scale"] = avg(timestamp - self->scale_began);
}

{{ reads.dispatch(probe("dispatch"), argument("dispatch.backend"), argument("dispatch.reason"),
    argument("dispatch.threads")) -}}
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
{% if scalar_places %}
	printa("%-32s %7d %7d %7d %7d %7d %7d                  - %@7d\n", @no_scalar);
{% endif %}
{% if memory_places %}
	printa("%-32s       -       -       -       -       -       -                  - %@7d\n", @no_shape);
{% endif %}
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
