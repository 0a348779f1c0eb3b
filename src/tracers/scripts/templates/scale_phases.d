{% import "reads" as reads %}
#!/usr/sbin/dtrace -s
/*
 * scale_phases.d: where the time of a Raptors operation goes, and which branch its dispatch took and why.
 *
{% include "usage" %}
 *
 * Without -p or -c there is no process to watch, and it would see nothing. Attach after the process has imported
 * Raptors: DTrace does not see a library that is loaded later.
 *
 * WHAT IS ARMED
 * The probes of the provider `raptors` (probes/provider.d), nothing else; NumPy's side is not in it.
 *
 * SAMPLE
{{ sample }}
 *
 * HOW TO READ IT
 * An operation's parts exclude each other: operation = allocation + backend + rest, where the rest is the choice of
 * the backend, the checks and the sharing out to threads. Conversions and the giving back of memory lie outside of an
 * operation. pieces are the parts of a parallel operation; they run at the same time, so their sum may exceed it.
 * Every probe that fires costs 0.5 to 1 us on Linux: of parts that are shorter, trust the counts only.
 * dispatched: the backend, the reason in the kernel's own words, threads, elements. memory: recycled pages were in use
 * before and fault no more; fresh ones come from the allocator, which may itself have kept them.
 *
 * Made from probes/provider.d by `cargo xtask scripts`. Tried on x86-64 Linux; not yet run on a Mac.
 */
#pragma D option quiet
#pragma D option zdefs
#pragma D option aggsortkey

int seen;

dtrace:::BEGIN
{
	printf("Process %d: the probes of Raptors are armed, if it has loaded them. Ctrl-C or its end prints the report.\n", $target);
}

{{ probe("scale__entry") }}
{
	seen = 1;
	self->began = timestamp;
	self->inner = 0;
	@sizes[{{ argument("scale__entry.n") }}, {{ argument("scale__entry.item_size") }}, {{ argument("scale__entry.kind") }} == 0 ? "fresh result" :
	    {{ argument("scale__entry.kind") }} == 1 ? "out=" : "in place"] = count();
}

{{ probe("alloc__entry") }}
{
	self->alloc_began = timestamp;
}

{{ probe("alloc__return") }}
/self->alloc_began/
{
	this->ns = timestamp - self->alloc_began;
	self->alloc_began = 0;
	self->inner += this->ns;
	@calls[2, "  allocation"] = count();
	@total[2, "  allocation"] = sum(this->ns);
	@average[2, "  allocation"] = avg(this->ns);
	@memory[{{ argument("alloc__return.recycled") }} ? "recycled" : "fresh", {{ argument("alloc__return.bytes") }}] = count();
}

{{ reads.dispatch(probe("dispatch"), argument("dispatch.backend"), argument("dispatch.reason"),
    argument("dispatch.threads") ~ ", " ~ argument("dispatch.n")) -}}
{{ probe("backend__entry") }}
{
	self->backend_began = timestamp;
}

{{ probe("backend__return") }}
/self->backend_began/
{
	this->ns = timestamp - self->backend_began;
	self->inner += this->ns;
	@calls[3, "  backend"] = count();
	@total[3, "  backend"] = sum(this->ns);
	@average[3, "  backend"] = avg(this->ns);
	this->backend = "-";
}

{{ probe("backend__return") }}
/self->backend_began/
{
	this->backend = {{ argument("backend__return.backend") }};
}

{{ probe("backend__return") }}
/self->backend_began/
{
	self->backend_began = 0;
	@backends[this->backend] = quantize(this->ns);
}

{{ probe("scale__return") }}
/self->began/
{
	this->ns = timestamp - self->began;
	self->began = 0;
	@calls[1, "operation"] = count();
	@total[1, "operation"] = sum(this->ns);
	@average[1, "operation"] = avg(this->ns);
	@calls[4, "  rest of it"] = count();
	@total[4, "  rest of it"] = sum(this->ns - self->inner);
	@average[4, "  rest of it"] = avg(this->ns - self->inner);
	@refused["refused or failed"] = sum({{ argument("scale__return.ok") }} ? 0 : 1);
}

{{ probe("chunk__entry") }}
{
	self->chunk_began = timestamp;
}

{{ probe("chunk__return") }}
/self->chunk_began/
{
	this->ns = timestamp - self->chunk_began;
	self->chunk_began = 0;
	@calls[5, "pieces"] = count();
	@total[5, "pieces"] = sum(this->ns);
	@average[5, "pieces"] = avg(this->ns);
	@threads[{{ argument("chunk__return.thread") }}] = count();
}

{{ probe("convert__entry") }}
{
	self->convert_began = timestamp;
}

{{ probe("convert__return") }}
/self->convert_began/
{
	this->ns = timestamp - self->convert_began;
	this->direction = "-";
}

{{ probe("convert__return") }}
/self->convert_began/
{
	this->direction = {{ argument("convert__return.direction") }};
}

{{ probe("convert__return") }}
/self->convert_began/
{
	self->convert_began = 0;
	this->what = strjoin(this->direction, {{ argument("convert__return.copied") }} ? ", copied" : ", a view");
	@calls[6, this->what] = count();
	@total[6, this->what] = sum(this->ns);
	@average[6, this->what] = avg(this->ns);
}

{{ probe("free__entry") }}
{
	self->free_began = timestamp;
}

{{ probe("free__return") }}
/self->free_began/
{
	this->ns = timestamp - self->free_began;
	self->free_began = 0;
	@calls[7, "giving back"] = count();
	@total[7, "giving back"] = sum(this->ns);
	@average[7, "giving back"] = avg(this->ns);
}

proc:::exit
/pid == $target/
{
	exit(0);
}

dtrace:::END
/seen/
{
	printf("\n  %-24s %9s %14s %12s\n", "part", "calls", "total ns", "average ns");
	printa("%d %-24s %@9d %@14d %@12d\n", @calls, @total, @average);
	printa("%s: %@d\n", @refused);
	printf("\noperations\n");
	printa("  n = %d, item size %d, %s: %@d\n", @sizes);
	printf("dispatched\n");
	printa("  %s (%s), threads %d, n = %d: %@d\n", @dispatched);
	printf("memory\n");
	printa("  %s pages, %d bytes: %@d\n", @memory);
	printf("pieces on pool threads, 0 is the caller\n");
	printa("  thread %d: %@d\n", @threads);
	printf("time of each backend, ns\n");
	printa(@backends);
}

dtrace:::END
/!seen/
{
	printf("\nNo operation of Raptors was seen: it did none while this ran, it imported Raptors only after this was\n");
	printf("attached, or its kernel was built without probes. What is there: dtrace -l -P 'raptors$target' -p %d\n", $target);
}
