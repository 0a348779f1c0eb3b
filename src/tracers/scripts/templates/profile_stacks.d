#!/usr/sbin/dtrace -s
/*
 * profile_stacks.d: where a process spends its time, as stacks for a flamegraph.
 *
{% include "usage" %}
 *
 * Without -p or -c there is no process to watch. End it with Ctrl-C while the process lives: addresses are named only
 * then.
 *   sudo dtrace -s dtrace/profile_stacks.d -p PID -o stacks.txt
 *   inferno-collapse-dtrace stacks.txt | inferno-flamegraph > profile.svg
 *
 * WHAT IS ARMED
 * A sample of every running thread of the process, 997 a second on each processor (on Linux at most as many as the
 * kernel's clock ticks, 250 by default).
 *
 * SAMPLE
{{ sample }}
 *
 * HOW TO READ IT
 * Blocks of one stack each, the innermost function first, and below it how many samples had this stack. Stacks are
 * followed by frame pointers. On macOS all code has them. On Linux most builds of CPython, NumPy and OpenBLAS have none:
 * the innermost function is right, what stands below it may be missing or wrong; for whole stacks use
 * `perf record --call-graph dwarf` or py-spy --native there.
 *
 * Made by `cargo xtask scripts`. Tried on x86-64 Linux; not yet run on a Mac.
 */
#pragma D option quiet
#pragma D option zdefs
#pragma D option ustackframes=100

int seen;

profile:::profile-997
/pid == $target && arg1 != 0/
{
	seen = 1;
	@stacks[ustack()] = count();
}

proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printa(@stacks);
}

dtrace:::END
/!seen/
{
	printf("No sample was taken in user code: the process slept, or it had ended. Let it work while this runs.\n");
}
