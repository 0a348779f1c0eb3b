//! From samples to flamegraphs: fold, name, assign roles, diff and draw.
