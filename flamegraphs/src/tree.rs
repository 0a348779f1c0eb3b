//! Stacks of one or two sides as one tree, with the weight of each node on each side.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::profile::{Frame, FrameId, Kind, Profile, Sample, Tag, Unit};
use crate::{Error, Role, Roles};

/// The samples of one side.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    profile: &'a Profile,
    tag: Tag,
}

impl<'a> Side<'a> {
    /// The samples of `profile` that carry this tag.
    pub fn new(profile: &'a Profile, tag: Tag) -> Side<'a> {
        Side { profile, tag }
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &'a Sample> {
        let tag = self.tag;
        self.profile.samples().iter().filter(move |sample| sample.tag == tag)
    }

    /// Weight by role, in the profile's unit. `None` holds the stacks without a role.
    pub fn by_role(&self, roles: &Roles) -> BTreeMap<Option<Role>, f64> {
        let roles = roles.of_all(self.profile);
        let mut weights = BTreeMap::new();
        for sample in self.samples() {
            let role = self.profile.role_of(sample.stack, &roles);
            *weights.entry(role).or_default() += sample.weight;
        }
        weights
    }
}

/// The arrangement of stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// From the thread's first function inwards.
    Stacks,
    /// Below the stack's role, from the first frame outside the interpreter inwards.
    Roles,
}

/// A function as called by the node above it.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name of the frame, role or thread.
    pub name: Arc<str>,
    /// Its module's path, empty where unknown.
    pub module: Arc<str>,
    /// Its source file.
    pub file: Option<Arc<str>>,
    /// The kind of its code.
    pub kind: Kind,
    /// Its own role, or its caller's.
    pub role: Option<Role>,
    /// The index of its caller; none for the root.
    pub parent: Option<usize>,
    /// The distance from the root.
    pub depth: usize,
    /// The weight of stacks that end here, on side A and B.
    pub own: [f64; 2],
    /// The weight of stacks through here, on side A and B.
    pub total: [f64; 2],
}

impl Node {
    /// The difference B − A.
    pub fn delta(&self) -> f64 {
        self.total[1] - self.total[0]
    }
}

/// A tree of one side, or of two compared sides.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The root first, and every node after its parent.
    nodes: Vec<Node>,
    /// Whether there are two sides.
    pub(crate) compared: bool,
    unit: Unit,
}

impl Tree {
    /// The stacks of one side.
    ///
    /// # Errors
    /// [`Error::NoSamples`].
    pub fn new(side: Side<'_>, view: View, roles: &Roles) -> Result<Tree, Error> {
        let mut builder = Builder::new(view);
        builder.add(0, side, roles);
        let tree = builder.finish(false, side.profile.unit());
        if tree.nodes[0].total[0] > 0.0 { Ok(tree) } else { Err(Error::NoSamples) }
    }

    /// The stacks of two sides, equal ones as one node.
    ///
    /// # Errors
    /// [`Error::NoSamples`] if a side has none; [`Error::Unweighed`] if weights are not time per operation: counts of
    /// two runs cannot be compared.
    pub fn compare(a: Side<'_>, b: Side<'_>, view: View, roles: &Roles) -> Result<Tree, Error> {
        if [a, b].iter().any(|side| side.profile.unit() != Unit::NanosecondsPerOperation) {
            return Err(Error::Unweighed);
        }
        let mut builder = Builder::new(view);
        builder.add(0, a, roles);
        builder.add(1, b, roles);
        let tree = builder.finish(true, Unit::NanosecondsPerOperation);
        if tree.nodes[0].total.iter().all(|total| *total > 0.0) { Ok(tree) } else { Err(Error::NoSamples) }
    }

    /// The root first, and every node after its parent.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The unit of weights.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The children of each node; the root's children by role if they are roles, all others by name.
    pub(crate) fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(parent) = node.parent {
                children[parent].push(index);
            }
        }
        for list in &mut children {
            list.sort_by(|&one, &other| {
                let key = |index: usize| {
                    let node = &self.nodes[index];
                    (node.depth == 1).then_some(node.role.map_or(usize::MAX, |role| role as usize))
                };
                (key(one), &self.nodes[one].name).cmp(&(key(other), &self.nodes[other].name))
            });
        }
        children
    }
}

struct Builder {
    view: View,
    nodes: Vec<Node>,
    known: FxHashMap<(usize, Arc<str>, Kind), usize>,
}

impl Builder {
    fn new(view: View) -> Builder {
        let root = Node {
            name: "all".into(),
            module: "".into(),
            file: None,
            kind: Kind::Native,
            role: None,
            parent: None,
            depth: 0,
            own: [0.0; 2],
            total: [0.0; 2],
        };
        Builder { view, nodes: vec![root], known: FxHashMap::default() }
    }

    fn add(&mut self, column: usize, side: Side<'_>, roles: &Roles) {
        let roles = roles.of_all(side.profile);
        let mut threads: Vec<u32> = side.samples().map(|sample| sample.thread).collect();
        threads.sort_unstable();
        threads.dedup();
        let mut below = FxHashMap::default();
        for sample in side.samples() {
            let start = match self.view {
                View::Roles => {
                    let role = side.profile.role_of(sample.stack, &roles);
                    let name = role.map_or("no role", Role::name);
                    self.child(0, &Frame::native(name), role)
                }
                View::Stacks if threads.len() > 1 => {
                    let name = side.profile.thread(sample.thread);
                    self.child(0, &Frame::native(&format!("thread {name}")), None)
                }
                View::Stacks => 0,
            };
            let node = self.path(start, side.profile, sample, &roles, &mut below);
            self.nodes[node].own[column] += sample.weight;
        }
    }

    /// The node of a sample. `below` knows the children that frames of this profile have led to: numbers are compared
    /// faster than names.
    fn path(
        &mut self,
        start: usize,
        profile: &Profile,
        sample: &Sample,
        roles: &[Option<Role>],
        below: &mut FxHashMap<(usize, FrameId), usize>,
    ) -> usize {
        let role = |id: &FrameId| roles[id.0 as usize];
        let mut frames: Vec<FrameId> = profile.frames_of(sample.stack).collect();
        if self.view == View::Roles {
            let is_interpreter = |id: &FrameId| role(id) == Some(Role::Interpreter);
            let is_running = |id: &FrameId| runs_python(profile.frame(*id));
            if let Some(running) = frames.iter().position(is_running) {
                let below = &frames[..running];
                let left = below.iter().rposition(|id| !is_interpreter(id));
                // The interpreter's own work keeps the frame that did it.
                frames.truncate(left.map_or(running + 1, |left| left + 1));
            }
        }
        frames.iter().rev().fold(start, |node, id| {
            *below.entry((node, *id)).or_insert_with(|| self.child(node, profile.frame(*id), role(id)))
        })
    }

    fn child(&mut self, parent: usize, frame: &Frame, role: Option<Role>) -> usize {
        let next = self.nodes.len();
        let key = (parent, frame.name.clone(), frame.kind);
        let index = *self.known.entry(key).or_insert(next);
        if index == next {
            let above = &self.nodes[parent];
            self.nodes.push(Node {
                name: frame.name.clone(),
                module: frame.module.clone(),
                file: frame.file.clone(),
                kind: frame.kind,
                role: role.or(above.role),
                parent: Some(parent),
                depth: above.depth + 1,
                own: [0.0; 2],
                total: [0.0; 2],
            });
        }
        index
    }

    fn finish(mut self, compared: bool, unit: Unit) -> Tree {
        for index in (0..self.nodes.len()).rev() {
            let node = &mut self.nodes[index];
            let parent = node.parent;
            node.total = [node.total[0] + node.own[0], node.total[1] + node.own[1]];
            let total = node.total;
            if let Some(parent) = parent {
                let above = &mut self.nodes[parent].total;
                *above = [above[0] + total[0], above[1] + total[1]];
            }
        }
        Tree { nodes: self.nodes, compared, unit }
    }
}

/// Whether a frame is a Python function, which may call anything.
fn runs_python(frame: &Frame) -> bool {
    frame.kind == Kind::Python || frame.name.starts_with("_PyEval_EvalFrame")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Folded, Scale};

    fn profile(text: &str, ns: f64) -> Profile {
        let mut profile = Profile::from(&Folded::parse(text).unwrap());
        let scale = Scale { seconds_per_sample: ns * 1e-9, operations: 1.0 };
        profile.weigh(Tag::A, &scale).unwrap();
        profile
    }

    fn find<'a>(tree: &'a Tree, name: &str) -> &'a Node {
        tree.nodes().iter().find(|node| &*node.name == name).unwrap()
    }

    #[test]
    fn a_parent_whose_children_changed_has_a_difference() {
        let (a, b) = (profile("p;x 10\np;y 10\n", 1.0), profile("p;x 10\np;y 5\n", 2.0));
        let (a, b) = (Side::new(&a, Tag::A), Side::new(&b, Tag::A));
        let tree = Tree::compare(a, b, View::Stacks, &Roles::default()).unwrap();
        let delta = |name| find(&tree, name).delta();
        assert!((delta("p") - 10.0).abs() < 1e-9);
        assert!((delta("x") - 10.0).abs() < 1e-9);
        assert!(delta("y").abs() < 1e-9);
        assert_eq!(find(&tree, "p").own, [0.0, 0.0]);
    }

    #[test]
    fn roles_come_first_and_the_interpreters_frames_are_left_out() {
        let text = "main;_PyEval_EvalFrameDefault;PyNumber_Multiply;array_multiply;object_vacall;FLOAT_multiply 5\n\
                    main;_PyEval_EvalFrameDefault;PyLong_FromLong 2\n";
        let a = profile(text, 1.0);
        let tree = Tree::new(Side::new(&a, Tag::A), View::Roles, &Roles::default()).unwrap();
        let path = |name: &str| {
            let mut node = find(&tree, name);
            let mut names = vec![&*node.name];
            while let Some(parent) = node.parent {
                node = &tree.nodes()[parent];
                names.push(&*node.name);
            }
            names.join(" < ")
        };
        assert_eq!(path("FLOAT_multiply"), "FLOAT_multiply < object_vacall < array_multiply < kernel < all");
        assert_eq!(path("PyLong_FromLong"), "PyLong_FromLong < _PyEval_EvalFrameDefault < interpreter < all");
    }

    #[test]
    fn counts_are_not_compared() {
        let a = Profile::from(&Folded::parse("a 1").unwrap());
        let side = Side::new(&a, Tag::A);
        let compared = Tree::compare(side, side, View::Stacks, &Roles::default());
        assert!(matches!(compared, Err(Error::Unweighed)));
    }

    #[test]
    fn a_stack_ten_thousand_deep_is_a_tree_like_any_other() {
        let stack = vec!["f"; 10_000].join(";") + " 3\n";
        let a = profile(&stack, 1.0);
        let tree = Tree::new(Side::new(&a, Tag::A), View::Stacks, &Roles::default()).unwrap();
        assert_eq!(tree.nodes().len(), 10_001);
        assert!((tree.nodes()[0].total[0] - 3.0).abs() < 1e-9);
    }
}
