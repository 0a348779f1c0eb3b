/*
 * The USDT provider `raptors`: the one list of its probes and of their arguments.
 *
 * build.rs of this crate reads it and makes one function per probe; the tests hold what
 * readelf, DTrace and bpftrace list against it. The comment in front of a probe becomes the documentation of its function.
 * Taken: provider NAME { probe NAME(TYPE NAME, ...); ... }; with comments like this one. Types: uint32_t, uint64_t,
 * uintptr_t and char * (a NUL-terminated string that lives for ever). At most 6 arguments: macOS passes no more.
 * SystemTap and bpftrace spell a probe scale__entry; DTrace spells it scale-entry.
 */
provider raptors {
    /* One array operation of `n` elements begins; kind: 0 fresh result, 1 out=, 2 in place; item_size 4 = float32,
       8 = float64; factor_bits: the factor's bits, zero-extended. */
    probe scale__entry(uint64_t n, uint32_t item_size, uint64_t factor_bits, uint32_t kind);
    /* The operation is over; ok: 1 done, 0 refused or failed. */
    probe scale__return(uint64_t n, uint32_t ok);
    /* The branch taken and why, and on how many threads. */
    probe dispatch(char *backend, char *reason, uint32_t threads, uint64_t n);
    /* The kernel asks for memory for a result. */
    probe alloc__entry(uint64_t bytes);
    /* It has it, at `data` (0: there was none); recycled: 1 if these pages were in use before, 0 if they are fresh. */
    probe alloc__return(uintptr_t data, uint64_t bytes, uint32_t recycled);
    /* The kernel gives a result's memory back. */
    probe free__entry(uintptr_t data, uint64_t bytes);
    /* The memory is given back. */
    probe free__return(uintptr_t data, uint64_t bytes);
    /* A NumPy array of `n` elements is taken in or given out; direction: "from_numpy" or "to_numpy". */
    probe convert__entry(char *direction, uint64_t n, uint32_t item_size);
    /* It is taken in or given out; copied: 0 a view of the same memory, 1 a copy. */
    probe convert__return(char *direction, uint64_t n, uint32_t copied);
    /* A backend begins on `n` elements; src and dst are addresses, equal in place. */
    probe backend__entry(char *backend, uint64_t n, uintptr_t src, uintptr_t dst, uint64_t factor_bits, uint32_t item_size);
    /* The backend is done. */
    probe backend__return(char *backend, uint64_t n);
    /* A piece of a chunked or parallel operation begins: elements [start, end) on pool thread `thread`, 0 = the caller. */
    probe chunk__entry(uint32_t thread, uint64_t start, uint64_t end);
    /* The piece is done. */
    probe chunk__return(uint32_t thread, uint64_t start, uint64_t end);
    /* A round of a comparison begins: `ops` operations of one side (0 A, 1 B) of case `index`. kind: 1 warm-up, 2 timed,
       3 observed in process, 4 the same with memory touched ahead, 5 timed and 6 observed on one element, 7 control,
       8 traced, 9 traced on one element: what a tracer counts between this and the return of 8 and 9 is that side's. */
    probe round__entry(uint32_t index, uint32_t side, uint32_t kind, uint64_t ops);
    /* The round is over. */
    probe round__return(uint32_t index, uint32_t side, uint32_t kind, uint64_t ops);
};
