//! The catalogue against real libraries: their symbols, their headers, their spellings.

mod coverage;
mod shapes;
mod symbols;
