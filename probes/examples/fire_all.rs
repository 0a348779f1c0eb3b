//! Fires every probe of `provider.d` a known number of times with known arguments, to test a tracer:
//! `fire_all [ROUNDS]` prints `ready PID`, waits for a line on standard input, fires ROUNDS (5) rounds and exits. Round
//! r fires each probe once, in the order of `provider.d`, with n = 1000 + r.

use raptors_probes as probes;
use std::io::Write;

fn main() {
    let rounds = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse::<u64>());
    let Ok(rounds) = rounds else {
        eprintln!("usage: fire_all [ROUNDS]");
        std::process::exit(2);
    };
    println!("ready {}", std::process::id());
    std::io::stdout().flush().expect("standard output is open");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("standard input is open");
    for round in 0..rounds {
        fire_round(1000 + round);
    }
}

fn fire_round(n: u64) {
    let factor = u64::from(2.5f32.to_bits());
    probes::scale_entry(n, 4, factor, 0);
    probes::scale_return(n, 1);
    probes::dispatch(c"simd", c"fits the last-level cache", 1, n);
    probes::alloc_entry(4 * n);
    probes::alloc_return(0x1000, 4 * n, 1);
    probes::free_entry(0x1000, 4 * n);
    probes::free_return(0x1000, 4 * n);
    probes::convert_entry(c"from_numpy", n, 4);
    probes::convert_return(c"from_numpy", n, 0);
    probes::backend_entry(c"simd", n, 0x2000, 0x3000, factor, 4);
    probes::backend_return(c"simd", n);
    probes::chunk_entry(1, n, 2 * n);
    probes::chunk_return(1, n, 2 * n);
    probes::round_entry(3, 1, 2, n);
    probes::round_return(3, 1, 2, n);
}
