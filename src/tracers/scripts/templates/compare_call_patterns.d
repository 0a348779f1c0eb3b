{% import "reads" as reads %}
#!/usr/sbin/dtrace -s
/*
 * compare_call_patterns.d: the calls of NumPy and of Raptors in two columns of one table.
 *
{% include "usage" %}
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. Attach after the process has imported
 * NumPy and Raptors: DTrace does not see a library that is loaded later. For two processes, one side each:
 *   raptors-trace script compare_call_patterns.d --pid PID_A --pid PID_B
 *
 * WHAT IS ARMED
 * Entries of {{ asked }} routines and of NumPy's inner loops, and the probes of the Raptors kernel:
{% include "armed" %}
{{ left_out }} *
 * SAMPLE
{{ sample }}
 *
 * HOW TO READ IT
{% if pair %}
 * The left column is process {{ processes[0] }}, the right one process {{ processes[1] }}.
{% else %}
 * The right column is what happens inside an operation of Raptors, between its probes scale-entry and scale-return
 * and in the pieces its threads run; the left one is all else in the process, NumPy above all.
{% endif %}
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
{% if pair %}
	printf("Processes %d and {{ processes[1] }}: routines, loops and the probes of Raptors are armed.\n", $target);
{% else %}
	printf("Process %d: routines, loops and the probes of Raptors are armed, as far as it has loaded them.\n", $target);
{% endif %}
	printf("Ctrl-C or the end of the process ends it and prints the report.\n");
}

/* Every call is counted on one of the sides. */
{{ (routine_places + loop_places)|probes("entry") }}
{
{{ reads.begin() -}}
	seen = 1;
	this->b = {{ right }} ? 1 : 0;
	@a[probefunc] = sum(1 - this->b);
	@b[probefunc] = sum(this->b);
}

/* Where the sizes of each routine and loop stand. */
{{ reads.sizes(routines + loops) -}}
{{ (routine_places + loop_places)|probes("entry") }}
/this->read == 2/
{
	@a_shapes[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3, this->scalar] = sum(1 - this->b);
	@b_shapes[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3, this->scalar] = sum(this->b);
}

{% if scalar_places %}
{{ scalar_places|probes("entry") }}
/this->read == 1/
{
	@a_no_scalar[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3] = sum(1 - this->b);
	@b_no_scalar[probefunc, this->m, this->n, this->k, this->step1, this->step2, this->step3] = sum(this->b);
}

{% endif %}
{% if memory_places %}
{{ memory_places|probes("entry") }}
/this->read == 0/
{
	@a_no_shape[probefunc] = sum(1 - this->b);
	@b_no_shape[probefunc] = sum(this->b);
}

{% endif %}
{% for process in raptors_processes %}
{{ probe("scale__entry", process) }}
{
	raptors_seen = 1;
	seen = 1;
	self->scale++;
	this->b = {{ right if pair else "1" }} ? 1 : 0;
	@a["raptors scale"] = sum(1 - this->b);
	@b["raptors scale"] = sum(this->b);
	@a_shapes["raptors scale", (int64_t){{ argument("scale__entry.n") }}, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0,
	    (int64_t){{ argument("scale__entry.factor_bits") }}] = sum(1 - this->b);
	@b_shapes["raptors scale", (int64_t){{ argument("scale__entry.n") }}, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0,
	    (int64_t){{ argument("scale__entry.factor_bits") }}] = sum(this->b);
}

{{ probe("chunk__entry", process) }}
{
	self->scale++;
}

{{ probe("scale__return", process) }},
{{ probe("chunk__return", process) }}
/self->scale/
{
	self->scale--;
}

{{ reads.dispatch(probe("dispatch", process), argument("dispatch.backend"), argument("dispatch.reason"),
    argument("dispatch.threads") ~ ", " ~ argument("dispatch.n")) -}}
{% endfor %}
proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printf("\n%-40s %12s %12s\n", "routine or loop", "{{ a }}", "{{ b }}");
	printa("%-40s %@12d %@12d\n", @a, @b);
	printf("\n%-32s %8s %7s %7s %7s %7s %7s %11s %9s %9s\n", "by shape", "m", "n", "k", "step1", "step2", "step3",
	    "scalar", "{{ a }}", "{{ b }}");
	printa("%-32s %8d %7d %7d %7d %7d %7d %#11x %@9d %@9d\n", @a_shapes, @b_shapes);
{% if scalar_places %}
	printa("%-32s %8d %7d %7d %7d %7d %7d           - %@9d %@9d\n", @a_no_scalar, @b_no_scalar);
{% endif %}
{% if memory_places %}
	printa("%-32s        -       -       -       -       -       -           - %@9d %@9d\n", @a_no_shape, @b_no_shape);
{% endif %}
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
