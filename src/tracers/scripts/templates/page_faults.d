#!/usr/sbin/dtrace -s
/*
 * page_faults.d: how many page faults each side takes, where, and how many for each operation.
 *
{% include "usage" %}
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. Attach after the process has imported
 * NumPy and Raptors: DTrace does not see a library that is loaded later.
 *
 * WHAT IS ARMED
 * Page faults of the process (vminfo:::as_fault on macOS, the kernel's page_fault_user on Linux), the probes of the
 * Raptors kernel, and these of NumPy's inner loops:
{{ loop_names }}
{{ left_out }} *
 * SAMPLE
{{ sample }}
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

{{ loop_places|probes("entry") }}
{
	loops_seen = 1;
	self->loop++;
	self->loop_faults = self->faults;
}

{{ loop_places|probes("return") }}
/self->loop/
{
	self->loop--;
	@loops[probefunc] = count();
	@loop_total[probefunc] = sum(self->faults - self->loop_faults);
	@loop_average[probefunc] = avg(self->faults - self->loop_faults);
}

{{ probe("scale__entry") }}
{
	raptors_seen = 1;
	self->scale = 1;
	self->scale_faults = self->faults;
}

{{ probe("alloc__entry") }}
{
	self->alloc = 1;
}

{{ probe("alloc__return") }}
{
	self->alloc = 0;
}

{{ probe("backend__entry") }},
{{ probe("chunk__entry") }}
{
	self->backend++;
}

{{ probe("backend__return") }},
{{ probe("chunk__return") }}
/self->backend/
{
	self->backend--;
}

{{ probe("scale__return") }}
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
