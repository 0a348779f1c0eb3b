//! The number of bytes that a call reads and writes, as far as its recorded sizes show it.

use crate::model::{Arg, Family, Level, Role, Routine, Shape};

impl Routine {
    /// The smallest number of bytes that a call with these sizes reads and writes: every element of every operand once,
    /// twice if the routine always both reads and writes it. An operand that is updated with a `beta` counts as written
    /// only, because NumPy passes 0 there and then the routine does not read it. `m`, `n` and `k` are the values of the
    /// arguments that [`Routine::shape`] names; 0 if there is none.
    ///
    /// `None` if the sizes are not enough: banded matrices, LAPACK, and a matrix with an unknown side.
    #[must_use]
    pub fn bytes(&self, m: u64, n: u64, k: u64) -> Option<u64> {
        let elements = match self.level {
            Level::Blas1 | Level::Elementwise | Level::Reduction => return self.vector_bytes(m),
            Level::Blas2 => self.matrix_vector(m, n)?,
            Level::Blas3 => self.matrix_matrix(m, n, k)?,
            Level::Driver | Level::Computational | Level::Auxiliary | Level::Matrix => return None,
        };
        let item = self.arrays().find_map(|i| self.args[usize::from(i)].ty.elem())?;
        elements.checked_mul(item.size(crate::Width::Ilp64) as u64)
    }

    /// Arrays with an increment hold n elements, the others (a sum, an index) one.
    fn vector_bytes(&self, n: u64) -> Option<u64> {
        let Shape { m: Some(_), .. } = self.shape() else {
            return None;
        };
        let stepped = |index: u8| {
            let belongs = |arg: &Arg| matches!(arg.role, Role::Increment { of } if of == index);
            self.family == Family::Vforce || self.args.iter().any(belongs)
        };
        self.arrays().try_fold(0_u64, |bytes, index| {
            let arg = &self.args[usize::from(index)];
            let elements = if stepped(index) { n } else { 1 };
            let passes = if arg.role == Role::InOut && !self.has_beta() { 2 } else { 1 };
            let item = arg.ty.elem()?.size(crate::Width::Lp64) as u64;
            bytes.checked_add(elements.checked_mul(item * passes)?)
        })
    }

    fn has_beta(&self) -> bool {
        self.args.iter().any(|arg| arg.name == "beta")
    }

    /// The name without the interface and without the letter of the element type: `gemm` of `cblas_sgemm`.
    fn stem(&self) -> &'static str {
        let name = self.name.strip_prefix("cblas_").unwrap_or(self.name);
        name.get(1..).unwrap_or_default()
    }

    /// Elements of a call of level 2; of a square matrix, `m` is the order.
    fn matrix_vector(&self, m: u64, n: u64) -> Option<u64> {
        let whole = m.checked_mul(n);
        let triangle = triangle(m);
        match self.stem() {
            "gemv" => whole?.checked_add(m)?.checked_add(n),
            "ger" | "geru" | "gerc" => whole?.checked_mul(2)?.checked_add(m)?.checked_add(n),
            "omatcopy" | "imatcopy" | "geadd" => whole?.checked_mul(2),
            "symv" | "spmv" | "hemv" | "hpmv" | "trmv" | "tpmv" | "trsv" | "tpsv" => {
                triangle?.checked_add(m)?.checked_add(m)
            }
            "syr" | "spr" | "her" | "hpr" => triangle?.checked_mul(2)?.checked_add(m),
            "syr2" | "spr2" | "her2" | "hpr2" => triangle?.checked_mul(2)?.checked_add(m)?.checked_add(m),
            _ => None,
        }
    }

    /// Elements of a call of level 3.
    fn matrix_matrix(&self, m: u64, n: u64, k: u64) -> Option<u64> {
        let sum = |parts: [Option<u64>; 3]| parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(part?));
        match self.stem() {
            "gemm" | "gemm3m" => sum([m.checked_mul(k), k.checked_mul(n), m.checked_mul(n)]),
            // Sizes of these: the order first, then the inner dimension.
            "syrk" | "herk" => sum([m.checked_mul(k), triangle(m), Some(0)]),
            "syr2k" | "her2k" | "gemmt" | "gemmtr" => sum([m.checked_mul(k), m.checked_mul(k), triangle(m)]),
            // A is of order m or n, by a side that is not recorded.
            "symm" | "hemm" | "trmm" | "trsm" if m == n => sum([triangle(m), m.checked_mul(n), m.checked_mul(n)]),
            _ => None,
        }
    }
}

/// Elements of one triangle of a matrix of order n, its diagonal included.
fn triangle(n: u64) -> Option<u64> {
    Some(n.checked_mul(n.checked_add(1)?)? / 2)
}

#[cfg(test)]
mod tests {
    use crate::find;

    fn bytes(name: &str, m: u64, n: u64, k: u64) -> Option<u64> {
        find(name).unwrap().bytes(m, n, k)
    }

    #[test]
    fn each_operand_is_counted_once_and_an_updated_one_twice() {
        let cases = [
            ("cblas_sgemm", [2, 3, 5], (10 + 15 + 6) * 4),
            ("dgemm", [2, 3, 5], (10 + 15 + 6) * 8),
            ("cblas_zgemv", [2, 3, 0], (6 + 5) * 16),
            ("cblas_dger", [2, 3, 0], (12 + 5) * 8),
            ("cblas_ssyrk", [4, 0, 3], (12 + 10) * 4),
            ("cblas_dsymv", [4, 0, 0], (10 + 8) * 8),
            ("cblas_strsm", [4, 4, 0], (10 + 32) * 4),
            ("cblas_sscal", [7, 0, 0], 14 * 4),
            ("cblas_saxpy", [7, 0, 0], 21 * 4),
            ("cblas_saxpby", [7, 0, 0], 14 * 4),
            ("cblas_ddot", [7, 0, 0], 14 * 8),
            ("vDSP_vsmul", [7, 0, 0], 14 * 4),
            ("vDSP_sveD", [7, 0, 0], 7 * 8 + 8),
            ("vvexpf", [7, 0, 0], 14 * 4),
            ("cblas_somatcopy", [2, 3, 0], 12 * 4),
        ];
        for (name, [m, n, k], expected) in cases {
            assert_eq!(bytes(name, m, n, k), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_the_sizes_do_not_tell_is_not_made_up() {
        assert_eq!(bytes("cblas_sgbmv", 4, 4, 0), None, "the bandwidth");
        assert_eq!(bytes("cblas_strsm", 4, 5, 0), None, "the side");
        assert_eq!(bytes("dgesv", 4, 0, 1), None, "LAPACK");
        assert_eq!(bytes("cblas_srotg", 0, 0, 0), None, "no vector at all");
        let most = u64::MAX;
        assert_eq!(bytes("cblas_sgemm", most, most, most), None, "overflow");
    }

    #[test]
    fn no_size_overflows_whatever_is_called() {
        for routine in crate::CATALOGUE {
            for size in [0, 1, 1 << 31, u64::MAX] {
                let _ = routine.bytes(size, size, size);
            }
        }
    }
}
