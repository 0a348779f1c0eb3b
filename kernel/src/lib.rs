//! The scale kernel, out = array × factor, and its backends.
