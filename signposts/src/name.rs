//! The names of intervals.

/// Defines [`Name`] and the texts of its variants: once for Rust and, on macOS, once where `os_signpost` reads them.
macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The name of an interval. Instruments gives each name its own row. The system takes names from the program's
        /// image only, so the list is fixed; any other span has its name in the message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Name {
            $($(#[$doc])* $variant,)*
        }

        impl Name {
            /// All of them.
            pub const ALL: &[Name] = &[$(Name::$variant,)*];

            /// Its text in Instruments.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Name::$variant => $text,)*
                }
            }

            /// The same text with a NUL at its end, in the section that `os_signpost` reads names from.
            #[cfg(all(feature = "layer", target_os = "macos"))]
            pub(crate) fn as_ptr(self) -> *const std::ffi::c_char {
                match self {
                    $(Name::$variant => {
                        // Tools that read a recording find a name only in a section of strings.
                        #[unsafe(link_section = "__TEXT,__oslogstring,cstring_literals")]
                        static TEXT: [u8; $text.len() + 1] = terminated($text);
                        TEXT.as_ptr().cast()
                    })*
                }
            }
        }
    };
}

names! {
    /// One round of side A.
    SideA = "side A",
    /// One round of side B.
    SideB = "side B",
    /// One array operation of the kernel.
    Scale = "scale",
    /// The backend of an operation at work.
    Backend = "backend",
    /// One piece of an operation, on one thread.
    Chunk = "chunk",
    /// Memory for a result taken.
    Alloc = "alloc",
    /// Memory of a result given back.
    Free = "free",
    /// An array taken from NumPy or given to it.
    Convert = "convert",
    /// Any other span.
    Span = "span",
}

impl Name {
    /// The name for a span called `text`; [`Name::Span`] if the list does not have it.
    pub fn of(text: &str) -> Self {
        let found = Self::ALL.iter().find(|name| name.text() == text);
        found.copied().unwrap_or(Self::Span)
    }
}

#[cfg(all(feature = "layer", target_os = "macos"))]
const fn terminated<const N: usize>(text: &str) -> [u8; N] {
    assert!(text.len() + 1 == N);
    let mut bytes = [0; N];
    let mut i = 0;
    while i < text.len() {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}
