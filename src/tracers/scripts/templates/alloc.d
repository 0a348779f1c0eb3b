#!/usr/sbin/dtrace -s
/*
 * alloc.d: what memory each side asks for: large blocks, mappings, advice, and what Raptors recycles.
 *
{% include "usage" %}
 *
 * Without -p or -c DTrace refuses the script: a pid probe belongs to one process. Attach after the process has imported
 * Raptors: DTrace does not see a library that is loaded later.
 *
 * WHAT IS ARMED
 * malloc, calloc, realloc, aligned_alloc and posix_memalign of the C library (libc.so, libsystem_malloc.dylib) for
 * blocks of 64 KiB and more, the system calls mmap, munmap and madvise, and the probes of the Raptors kernel.
{{ left_out }} *
 * SAMPLE
{{ sample }}
 *
 * HOW TO READ IT
 * side: Raptors is what happens inside one of its operations or while it gives memory back, "others" all else in the
 * process, NumPy above all. NumPy takes its results from malloc, one block each. Blocks that malloc maps afresh (an
 * mmap beside each malloc, an munmap beside each free) fault on every page: see page_faults.d. madvise 14 asks for
 * huge pages, which NumPy does from 4 MiB on. Raptors' memory: recycled pages were in use before and fault no more.
 *
 * Made from probes/provider.d by `cargo xtask scripts`. Tried on x86-64 Linux; not yet run on a Mac.
 */
#pragma D option quiet
#pragma D option zdefs

int seen;
self int raptors;
int raptors_seen;

dtrace:::BEGIN
{
	printf("Process %d: blocks of 64 KiB and more are counted. Ctrl-C or its end prints the report.\n", $target);
}

pid$target:libc.so*:malloc:entry,
pid$target:libsystem_malloc.dylib:malloc:entry
/arg0 >= 65536/
{
	seen = 1;
	@blocks[self->raptors ? "Raptors" : "others", probefunc, arg0] = count();
	@bytes[self->raptors ? "Raptors" : "others", "asked of malloc"] = sum(arg0);
}

pid$target:libc.so*:calloc:entry,
pid$target:libsystem_malloc.dylib:calloc:entry
/arg0 * arg1 >= 65536/
{
	seen = 1;
	@blocks[self->raptors ? "Raptors" : "others", probefunc, arg0 * arg1] = count();
	@bytes[self->raptors ? "Raptors" : "others", "asked of malloc"] = sum(arg0 * arg1);
}

pid$target:libc.so*:realloc:entry,
pid$target:libc.so*:aligned_alloc:entry,
pid$target:libsystem_malloc.dylib:realloc:entry,
pid$target:libsystem_malloc.dylib:aligned_alloc:entry
/arg1 >= 65536/
{
	seen = 1;
	@blocks[self->raptors ? "Raptors" : "others", probefunc, arg1] = count();
	@bytes[self->raptors ? "Raptors" : "others", "asked of malloc"] = sum(arg1);
}

pid$target:libc.so*:posix_memalign:entry,
pid$target:libsystem_malloc.dylib:posix_memalign:entry
/arg2 >= 65536/
{
	seen = 1;
	@blocks[self->raptors ? "Raptors" : "others", probefunc, arg2] = count();
	@bytes[self->raptors ? "Raptors" : "others", "asked of malloc"] = sum(arg2);
}

syscall::mmap:entry,
syscall::munmap:entry
/pid == $target && arg1 >= 65536/
{
	seen = 1;
	@mappings[self->raptors ? "Raptors" : "others", probefunc, arg1] = count();
	@bytes[self->raptors ? "Raptors" : "others", probefunc] = sum(arg1);
}

syscall::madvise:entry
/pid == $target/
{
	@advice[self->raptors ? "Raptors" : "others", (int)arg2, arg1] = count();
}

{{ probe("scale__entry") }},
{{ probe("free__entry") }}
{
	self->raptors++;
}

{{ probe("scale__return") }},
{{ probe("free__return") }}
/self->raptors/
{
	self->raptors--;
}

{{ probe("alloc__return") }}
{
	raptors_seen = 1;
	@own[{{ argument("alloc__return.recycled") }} ? "recycled" : "fresh", {{ argument("alloc__return.bytes") }}] = count();
}

proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printf("\nbytes: side, what\n");
	printa("  %-8s %-16s %@16d\n", @bytes);
	printf("\nblocks of the C library's allocator: side, function, bytes of each, calls\n");
	printa("  %-8s %-16s %12d %@9d\n", @blocks);
	printf("\nmappings: side, system call, bytes of each, calls\n");
	printa("  %-8s %-16s %12d %@9d\n", @mappings);
	printf("\nmadvise: side, advice (14 is huge pages), bytes of each, calls\n");
	printa("  %-8s %-16d %12d %@9d\n", @advice);
}

dtrace:::END
/raptors_seen/
{
	printf("\nRaptors' results: pages, bytes of each, calls\n");
	printa("  %-8s %12d %@9d\n", @own);
}

dtrace:::END
/!seen/
{
	printf("\nNo block of 64 KiB or more was asked for while this ran: the arrays are smaller, results are written to\n");
	printf("out=, or the process did nothing.\n");
}
