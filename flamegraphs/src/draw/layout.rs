//! Selects the nodes of a tree that are drawn, their widths, and their lines for inferno.

use crate::tree::Tree;

/// A picture's width in the numbers that inferno is given.
const WIDTH: f64 = 1e9;
/// Frames narrower than this part of a picture are left out by default; at 1280 pixels it is two thirds of one.
pub const NARROWEST: f64 = 0.0005;
/// Frames further from the root are left out: a browser draws no higher picture.
pub(super) const DEEPEST: usize = 500;

/// The drawn nodes, numbered from the root so that numbers with equally many digits sort in the order of the frames.
pub(super) struct Layout {
    /// The node of the tree for each number.
    pub nodes: Vec<usize>,
    /// Folded text with numbers for names.
    pub lines: Vec<String>,
    /// Whether deeper stacks were left out.
    pub cut: bool,
}

/// The name that number `index` has in the lines.
pub(super) fn name(index: usize) -> String {
    format!("n{index:07}")
}

/// The number of a name.
pub(super) fn number(name: &str) -> Option<usize> {
    name.strip_prefix('n')?.parse().ok()
}

impl Layout {
    /// The width of a node is that of both sides together, so that frames of one side are visible and the nodes inside
    /// sum to it.
    ///
    /// Nodes narrower than the part `narrowest` of the picture are left out.
    pub fn new(tree: &Tree, narrowest: f64) -> Layout {
        let widths: Vec<f64> = tree.nodes().iter().map(|node| node.total[0] + node.total[1]).collect();
        let all = widths.first().copied().unwrap_or(0.0);
        let children = tree.children();
        let mut layout = Layout { nodes: Vec::new(), lines: Vec::new(), cut: false };
        // Depth first, each with its number and its parent's path.
        let mut open = vec![(0, String::new())];
        while let Some((node, above)) = open.pop() {
            let number = layout.nodes.len();
            layout.nodes.push(node);
            // The root is inferno's own.
            let path = match (node, above.is_empty()) {
                (0, _) => String::new(),
                (_, true) => name(number),
                _ => format!("{above};{}", name(number)),
            };
            let deep = tree.nodes()[node].depth >= DEEPEST;
            layout.cut |= deep && !children[node].is_empty();
            let kept = children[node].iter().filter(|&&child| !deep && widths[child] >= all * narrowest);
            let kept: Vec<usize> = kept.copied().collect();
            let inside: f64 = kept.iter().map(|&child| widths[child]).sum();
            let own = ((widths[node] - inside).max(0.0) / all * WIDTH).round() as u64;
            if own > 0 && !path.is_empty() {
                layout.lines.push(format!("{path} {own}"));
            }
            open.extend(kept.into_iter().rev().map(|child| (child, path.clone())));
        }
        layout
    }
}
