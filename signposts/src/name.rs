//! The names that an interval can have.

/// Makes [`Name`] and the texts of its variants, once as Rust's and, on macOS, once where `os_signpost` looks for them.
macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A name of an interval. Instruments gives each a row of its own. The system takes names from the image of the
        /// program only, so there is a fixed list; a span that is called otherwise has its name in the message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Name {
            $($(#[$doc])* $variant,)*
        }

        impl Name {
            /// All of them.
            pub const ALL: &[Name] = &[$(Name::$variant,)*];

            /// As Instruments shows it.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Name::$variant => $text,)*
                }
            }

            /// The same with a NUL at its end, in the section that `os_signpost` reads names from.
            #[cfg(all(feature = "layer", target_os = "macos"))]
            pub(crate) fn as_ptr(self) -> *const std::ffi::c_char {
                match self {
                    $(Name::$variant => {
                        // Without a section of strings, the tools that read a recording find no name.
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
    /// The name of a span that is called `text`; [`Name::Span`] where the list has none.
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
