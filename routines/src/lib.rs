//! The catalogue of BLAS, LAPACK, vDSP and vForce routines: names, manglings and what each argument means.
