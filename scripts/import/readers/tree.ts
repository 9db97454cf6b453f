// Conversations that are trees: every edited question and every regenerated answer is a branch. ChatGPT and claude.ai
// export them in this form.

export interface TreeNode<Value> {
  readonly id: string;
  /** The node that it follows, if it is in the file. */
  readonly parent: string | undefined;
  /** When it was said, in any unit; 0 if unknown. */
  readonly at: number;
  readonly value: Value;
}

export interface Tree<Value> {
  /**
   * Parents before children, otherwise in the order in which they were said, so that a newer export of the chat only
   * adds to the end.
   */
  readonly nodes: readonly TreeNode<Value>[];
  /** Ids of nodes that cannot be reached from a root, because their parents form a circle. */
  readonly lost: readonly string[];
  /** The newest node without children: where the chat ended, if nothing else says so. */
  readonly leaf: string | undefined;
}

export function growTree<Value>(nodes: readonly TreeNode<Value>[]): Tree<Value> {
  const indexes = new Map(nodes.map((node, index) => [node.id, index]));
  const following = new Map<string | undefined, TreeNode<Value>[]>();
  for (const node of nodes) {
    const parent = node.parent !== undefined && indexes.has(node.parent) ? node.parent : undefined;
    const siblings = following.get(parent);
    if (siblings === undefined) following.set(parent, [node]);
    else siblings.push(node);
  }
  // Ordered by time, and by position in the file if the time is unknown; no message comes before its parent.
  const found: (Rank & { readonly node: TreeNode<Value> })[] = [];
  const waiting = (following.get(undefined) ?? []).map((node) => ({ node, above: BEGINNING }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, above } = next;
    const rank: Rank = {
      at: Math.max(node.at, above.at),
      index: Math.max(indexes.get(node.id) ?? 0, above.index),
      depth: above.depth + 1,
    };
    found.push({ node, ...rank });
    for (const child of following.get(node.id) ?? []) waiting.push({ node: child, above: rank });
  }
  found.sort((one, other) => one.at - other.at || one.index - other.index || one.depth - other.depth);
  const reached = new Set(found.map(({ node }) => node.id));
  return {
    nodes: found.map(({ node }) => node),
    lost: nodes.flatMap((node) => (reached.has(node.id) ? [] : [node.id])),
    leaf: newestLeaf(nodes.filter((node) => reached.has(node.id))),
  };
}

/** The sort key of a node, never less than that of its parent. */
interface Rank {
  readonly at: number;
  readonly index: number;
  readonly depth: number;
}

const BEGINNING: Rank = { at: 0, index: 0, depth: 0 };

function newestLeaf<Value>(nodes: readonly TreeNode<Value>[]): string | undefined {
  const parents = new Set(nodes.map((node) => node.parent));
  let newest: TreeNode<Value> | undefined;
  for (const node of nodes) {
    if (!parents.has(node.id) && (newest === undefined || node.at >= newest.at)) newest = node;
  }
  return newest?.id;
}

/** A node and all that lead to it. */
export function pathTo<Value>({ nodes }: Tree<Value>, leaf: string | undefined): ReadonlySet<string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const path = new Set<string>();
  for (let node = byId.get(leaf ?? ""); node !== undefined && !path.has(node.id); node = byId.get(node.parent ?? "")) {
    path.add(node.id);
  }
  return path;
}
