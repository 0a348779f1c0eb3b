//! The subject of a comparison: the statements of both sides, and their arrays.

use std::fmt;
use std::str::FromStr;

/// The statements of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Python that runs once per side before its statement; `None`: the main job's own (arrays `a` and `r`).
    pub setup: Option<String>,
    /// Side A; `None`: the main job's `a * 2.5`.
    pub a: Option<String>,
    /// Side B; `None`: the main job's `r.scale(2.5)`.
    pub b: Option<String>,
    /// The name of A; `None`: `numpy` in the main job, `A` otherwise.
    pub name_a: Option<String>,
    /// The name of B; `None`: `raptors` in the main job, `B` otherwise.
    pub name_b: Option<String>,
    /// The statements write into their operand.
    pub in_place: bool,
}

impl Subject {
    /// Whether this is the main job: NumPy's multiply against Raptors' scale, both unchanged.
    pub fn is_main_job(&self) -> bool {
        self.setup.is_none() && self.a.is_none() && self.b.is_none()
    }

    /// The names of A and B in tables.
    pub fn names(&self) -> [&str; 2] {
        let [a, b] = if self.is_main_job() { ["numpy", "raptors"] } else { ["A", "B"] };
        [self.name_a.as_deref().unwrap_or(a), self.name_b.as_deref().unwrap_or(b)]
    }
}

/// The shape of an array: at least one length, each at least 1, the number of elements fits `u64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<u64>);

impl Shape {
    /// The lengths.
    pub fn lengths(&self) -> &[u64] {
        &self.0
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.0.iter().product()
    }

    /// Bytes of an array of this shape, `None` if they exceed `u64`.
    pub fn bytes(&self, dtype: Dtype) -> Option<u64> {
        self.elements().checked_mul(dtype.item_size())
    }
}

impl FromStr for Shape {
    type Err = String;

    /// `n` means n × n; `AxB…` gives the lengths (`4096x` is one dimension of 4096).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size; give n for n × n, or lengths as in 512x1024");
        let text = text.trim();
        let length = |part: &str| match part.parse::<u64>() {
            Ok(0) => Err("a size of 0 leaves nothing to measure; give at least 1".to_owned()),
            Ok(n) => Ok(n),
            Err(_) => Err(wrong()),
        };
        let lengths = if let Some(one) = text.strip_suffix('x') {
            vec![length(one)?]
        } else if text.contains('x') {
            text.split('x').map(length).collect::<Result<_, _>>()?
        } else {
            vec![length(text)?; 2]
        };
        let elements = lengths.iter().try_fold(1_u64, |all, n| all.checked_mul(*n));
        match elements {
            Some(n) if n <= u64::MAX / 8 => Ok(Self(lengths)),
            _ => Err(format!("`{text}` has more elements than any memory holds")),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, length) in self.0.iter().enumerate() {
            write!(f, "{}{length}", if i == 0 { "" } else { " × " })?;
        }
        Ok(())
    }
}

/// The element types of the main job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// 4 bytes.
    #[value(name = "float32", alias = "f4")]
    Float32,
    /// 8 bytes.
    #[value(name = "float64", alias = "f8")]
    Float64,
}

impl Dtype {
    /// NumPy's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Bytes of one element.
    pub fn item_size(self) -> u64 {
        match self {
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }
}
