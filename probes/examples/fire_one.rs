//! Fires one probe, to prove that a binary that uses one keeps the sites of all: tracers list them from the notes,
//! which the linker keeps in any case, and would find the others near address 0.

fn main() {
    raptors_probes::alloc_entry(64);
}
