//! The USDT provider raptors, and the table an in-process observer fills.
