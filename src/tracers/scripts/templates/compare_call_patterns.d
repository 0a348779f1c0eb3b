#!/usr/sbin/dtrace -s
/*
 * compare_call_patterns.d: the calls of NumPy and of Raptors in two columns of one table.
 *
@USAGE@
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. Attach after the process has imported
 * NumPy and Raptors: DTrace does not see a library that is loaded later. For two processes, one side each:
 *   raptors-trace script compare_call_patterns.d --pid PID_A --pid PID_B
 *
 * WHAT IS ARMED
 * Entries of @ROUTINES@ routines and of NumPy's inner loops, and the probes of the Raptors kernel:
@ARMED@
@LEFT_OUT@ *
 * SAMPLE
@SAMPLE@
 *
 * HOW TO READ IT
 * @SIDES@
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
	printf("@BEGIN@", $target);
	printf("Ctrl-C or the end of the process ends it and prints the report.\n");
}

@CLAUSES@
@RAPTORS@
proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printf("\n%-40s %12s %12s\n", "routine or loop", "@A@", "@B@");
	printa("%-40s %@12d %@12d\n", @a, @b);
	printf("\n%-32s %8s %7s %7s %7s %7s %7s %11s %9s %9s\n", "by shape", "m", "n", "k", "step1", "step2", "step3",
	    "scalar", "@A@", "@B@");
	printa("%-32s %8d %7d %7d %7d %7d %7d %#11x %@9d %@9d\n", @a_shapes, @b_shapes);@UNREAD@
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
