//! The run file: record layout, crash-safe writer and checked reader.
