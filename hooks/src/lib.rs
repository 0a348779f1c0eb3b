//! In-process observers: imported symbols, ufunc loops, data memory and threads.
