//! Expands an entry into routines: one per interface and per variant, every argument with its type and role.

use crate::table::Entry;

/// One routine, its types and roles spelled as the Rust source that `emit` writes.
pub struct Routine {
    pub name: String,
    pub family: &'static str,
    pub convention: &'static str,
    pub level: String,
    pub args: Vec<Arg>,
    pub returns: &'static str,
    pub purpose: String,
}

/// One argument; `ty` and `role` are Rust expressions.
pub struct Arg {
    pub name: String,
    pub ty: String,
    pub role: String,
}

/// How an interface spells names and passes arguments.
struct Interface {
    family: &'static str,
    convention: &'static str,
    prefix: &'static str,
}

fn interface(name: &str, at: &str) -> Interface {
    let (family, convention, prefix) = match name {
        "cblas" => ("Cblas", "C", "cblas_"),
        "fortran" => ("Fortran", "Fortran", ""),
        "ext-cblas" => ("BlasExtension", "C", "cblas_"),
        "ext-catlas" => ("BlasExtension", "C", "catlas_"),
        "ext-fortran" => ("BlasExtension", "Fortran", ""),
        "lapack" => ("Lapack", "Fortran", ""),
        "vdsp" => ("Vdsp", "Vdsp", "vDSP_"),
        "vforce" => ("Vforce", "Vforce", "vv"),
        other => panic!("{at}: unknown interface `{other}`"),
    };
    Interface { family, convention, prefix }
}

/// Every routine that an entry stands for.
pub fn expand(entry: &Entry) -> Vec<Routine> {
    let mut routines = Vec::new();
    for name in &entry.interfaces {
        let interface = interface(name, &entry.at);
        for (name, element) in variants(entry, &interface) {
            let variant = Variant { entry, interface: &interface, element };
            routines.push(Routine {
                name: format!("{}{name}", interface.prefix),
                family: interface.family,
                convention: if interface.convention == "Fortran" { "Fortran" } else { "C" },
                level: entry.level.clone(),
                args: variant.args(),
                returns: variant.returns(),
                purpose: entry.purpose.clone(),
            });
        }
    }
    routines
}

/// The names in `{…}` with the element type each stands for.
fn variants(entry: &Entry, interface: &Interface) -> Vec<(String, Option<char>)> {
    let Some((before, rest)) = entry.name.split_once('{') else {
        return vec![(entry.name.clone(), None)];
    };
    let (labels, after) = rest.split_once('}').unwrap_or_else(|| panic!("{}: no `}}`", entry.at));
    let element = |label: &str| match interface.convention {
        "Vdsp" => {
            if label == "D" {
                'd'
            } else {
                's'
            }
        }
        "Vforce" => {
            if label == "f" {
                's'
            } else {
                'd'
            }
        }
        // "scasum", "csrot": the complex letter names the elements.
        _ => label
            .chars()
            .find(|c| "cz".contains(*c))
            .or(label.chars().next())
            .unwrap_or_else(|| panic!("{}: an empty label", entry.at)),
    };
    labels.split(',').map(|label| (format!("{before}{label}{after}"), Some(element(label)))).collect()
}

/// One variant of an entry under one interface.
struct Variant<'a> {
    entry: &'a Entry,
    interface: &'a Interface,
    element: Option<char>,
}

/// Names that need no sigil because they have one meaning everywhere; `None` for a name that needs a sigil.
fn flag_role(name: &str) -> Option<&'static str> {
    Some(match name {
        "layout" => "Layout",
        "trans" | "transa" | "transb" | "transr" | "trana" | "tranb" => "Trans",
        "uplo" => "Uplo",
        "diag" => "Diag",
        "side" => "Side",
        "norm" | "fact" | "sort" | "sense" | "range" | "order" | "direct" | "storev" | "way" | "vect" | "cmach"
        | "signs" => "Flag",
        _ if name.starts_with("job") || name.starts_with("comp") => "Flag",
        _ => return None,
    })
}

impl Variant<'_> {
    fn args(&self) -> Vec<Arg> {
        let tokens: Vec<Token> = self.entry.args.iter().map(|text| Token::new(text)).collect();
        let mut args: Vec<Arg> = tokens
            .iter()
            // Only the C interface has an argument for the order of rows and columns.
            .filter(|token| token.name != "layout" || self.interface.convention == "C")
            .map(|token| self.arg(token))
            .collect();
        let place = |name: &str| args.iter().position(|arg| arg.name.eq_ignore_ascii_case(name));
        let roles: Vec<String> = args.iter().map(|arg| self.resolve(&arg.role, &arg.name, &place)).collect();
        for (arg, role) in args.iter_mut().zip(roles) {
            arg.role = role;
        }
        if self.interface.convention == "Fortran" {
            let characters: Vec<usize> = (0..args.len()).filter(|i| args[*i].ty.contains("Elem::Char")).collect();
            for index in characters {
                args.push(Arg {
                    name: format!("{}_len", args[index].name),
                    ty: "ArgTy::CharLen".into(),
                    role: format!("Role::CharLen {{ of: {index} }}"),
                });
            }
        }
        args
    }

    /// Fills in which array an increment or leading dimension belongs to.
    fn resolve(&self, role: &str, name: &str, place: &dyn Fn(&str) -> Option<usize>) -> String {
        let array = match role {
            "Increment" if self.interface.convention == "Vdsp" => &name[1..],
            "Increment" => &name[3..],
            "LeadingDim" => &name[2..],
            other => return format!("Role::{other}"),
        };
        let of = place(array).unwrap_or_else(|| panic!("{}: no array `{array}` for `{name}`", self.entry.at));
        format!("Role::{role} {{ of: {of} }}")
    }

    fn arg(&self, token: &Token) -> Arg {
        let (ty, role) = match token.sigil {
            None => self.bare(&token.name),
            Some('=') => self.scalar(token),
            Some('&') => ("ArgTy::Callback".into(), "Callback".into()),
            Some(sigil) => {
                let pointer = if sigil == '<' { "Const" } else { "Mut" };
                let role = match sigil {
                    '<' => "Input",
                    '>' => "Output",
                    '!' => "InOut",
                    _ => "Work",
                };
                (format!("ArgTy::{pointer}({})", self.elem(token.ty)), role.to_string())
            }
        };
        Arg { name: token.name.clone(), ty, role }
    }

    /// The type and role of a name without a sigil.
    fn bare(&self, name: &str) -> (String, String) {
        if let Some(role) = flag_role(name) {
            let ty = if self.interface.convention == "C" { "ArgTy::Enum" } else { "ArgTy::Const(Elem::Char)" };
            return (ty.into(), role.into());
        }
        let one = matches!(self.entry.level.as_str(), "Blas1" | "Elementwise" | "Reduction");
        let role = match name {
            "info" => return ("ArgTy::Mut(Elem::Int)".into(), "Info".into()),
            "alpha" | "beta" => {
                return self.scalar(&Token { name: name.into(), sigil: Some('='), ty: 't' });
            }
            "n" if one => "Count",
            "m" => "M",
            "n" => "N",
            "k" => "K",
            "p" if self.interface.convention == "Vdsp" => "K",
            "nrhs" => "Nrhs",
            _ if self.interface.convention == "Vdsp" && name.starts_with('i') => {
                return ("ArgTy::Stride".into(), "Increment".into());
            }
            "lwork" | "lrwork" | "liwork" => "WorkSize",
            _ if name.starts_with("inc") => "Increment",
            _ if name.starts_with("ld") => "LeadingDim",
            _ => panic!("{}: `{name}` needs a sigil", self.entry.at),
        };
        (self.integer().into(), role.into())
    }

    fn integer(&self) -> &'static str {
        match self.interface.convention {
            "C" => "ArgTy::Int",
            "Vdsp" => "ArgTy::Length",
            "Vforce" => "ArgTy::Const(Elem::Int32)",
            _ => "ArgTy::Const(Elem::Int)",
        }
    }

    /// `name=type`: one value going in.
    fn scalar(&self, token: &Token) -> (String, String) {
        if token.ty == 'i' {
            return (self.integer().into(), "Dimension".into());
        }
        let by_value = match (self.interface.convention, self.letter(token.ty)) {
            ("C", 's') => Some("ArgTy::F32"),
            ("C", 'd') => Some("ArgTy::F64"),
            _ => None,
        };
        let ty = by_value.map_or_else(|| format!("ArgTy::Const({})", self.elem(token.ty)), String::from);
        let role = if "hl".contains(token.ty) { "Flag" } else { "Scalar" };
        (ty, role.into())
    }

    /// Resolves `t` (the variant's element type) and `r` (its real type) to one of s, d, c, z.
    fn letter(&self, ty: char) -> char {
        let element = || self.element.unwrap_or_else(|| panic!("{}: no variant, so spell the type", self.entry.at));
        match ty {
            't' => element(),
            'r' => match element() {
                'c' => 's',
                'z' => 'd',
                real => real,
            },
            other => other,
        }
    }

    fn elem(&self, ty: char) -> &'static str {
        match self.letter(ty) {
            's' => "Elem::F32",
            'd' => "Elem::F64",
            'c' => "Elem::C32",
            'z' => "Elem::C64",
            'i' => "Elem::Int",
            'l' => "Elem::Logical",
            'h' => "Elem::Char",
            'u' => "Elem::Length",
            other => panic!("{}: unknown type `{other}`", self.entry.at),
        }
    }

    fn returns(&self) -> &'static str {
        let index = self.entry.returns == "index";
        match (self.entry.returns.as_str(), self.interface.convention) {
            ("", _) => "Ret::Void",
            (_, "C") if index => "Ret::Size",
            _ if index => "Ret::Int",
            (ty, _) => match self.letter(ty.chars().next().unwrap_or(' ')) {
                's' => "Ret::F32",
                'd' => "Ret::F64",
                'c' => "Ret::C32",
                'z' => "Ret::C64",
                'i' => "Ret::Int",
                other => panic!("{}: unknown return type `{other}`", self.entry.at),
            },
        }
    }
}

/// `name`, sigil and type of one argument as written in the table.
struct Token {
    name: String,
    sigil: Option<char>,
    ty: char,
}

impl Token {
    fn new(text: &str) -> Self {
        match text.find(['<', '>', '!', '~', '=', '&']) {
            None => Self { name: text.into(), sigil: None, ty: 't' },
            Some(at) => Self {
                name: text[..at].into(),
                sigil: text[at..].chars().next(),
                ty: text[at + 1..].chars().next().unwrap_or('t'),
            },
        }
    }
}
