//! Fires one probe. A binary that uses one probe has to keep the sites of all: tracers list them from the notes, which
//! the linker always keeps, and would find the sites of dropped functions near address 0.

fn main() {
    raptors_probes::alloc_entry(64);
}
