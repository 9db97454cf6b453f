/**
 * A list of any length that renders only the visible rows. Rows may have any height, which is measured once they are
 * rendered.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

export interface VirtualListProps {
  readonly label: string;
  readonly count: number;
  /** A key that identifies a row while others are added or removed. */
  readonly keyOf: (index: number) => string | number;
  readonly row: (index: number) => ComponentChildren;
  /** Height in pixels assumed for a row that was never rendered. */
  readonly estimate: (index: number) => number;
  /** Called with the range of rendered rows. */
  readonly onRange?: (first: number, last: number) => void;
  /** A row to scroll into view when this changes. */
  readonly target?: { readonly index: number } | null;
  /** Starts at the end, and stays there while rows are added. */
  readonly isAtEnd?: boolean;
}

/** Height that is rendered beyond the visible area, so that fast scrolling shows no gaps. */
const OVERSCAN_PX = 600;
/** A distance to the end that still counts as being at the end. */
const END_PX = 40;
/** Smaller differences are rounding errors. */
const HEIGHT_CHANGE_PX = 0.5;
const SCROLLED_PX = 1;

/** The row at the top of the view. It stays in place while rows above it are added, removed, or change their height. */
interface Anchor {
  readonly key: string | number;
  readonly index: number;
  /** Distance from the top of the row to the top of the view. */
  readonly offset: number;
}

/** State of the list when it was last rendered. */
interface Placed {
  readonly offsets: Float64Array;
  readonly keyOf: (index: number) => string | number;
  readonly top: number;
}

export function VirtualList({
  label,
  count,
  keyOf,
  row,
  estimate,
  onRange,
  target,
  isAtEnd = false,
}: VirtualListProps) {
  const frame = useRef<HTMLDivElement>(null);
  const heights = useRef(new Map<string | number, number>());
  const heightsRevision = useRef(0);
  const isStuck = useRef(isAtEnd);
  const handled = useRef<{ readonly index: number } | null>(null);
  /** Null: the list is at its beginning. */
  const anchor = useRef<Anchor | null>(null);
  /** Null: the list is not visible. */
  const placed = useRef<Placed | null>(null);
  const [, setDraws] = useState(0);
  const redraw = (): void => setDraws((before) => before + 1);

  const offsets = useMemo(
    () => sumHeights(count, (index) => heights.current.get(keyOf(index)) ?? estimate(index)),
    [count, keyOf, estimate, heightsRevision.current],
  );
  const total = offsets[count] ?? 0;
  const viewHeight = frame.current?.clientHeight ?? 800;
  const end = Math.max(0, total - viewHeight);
  followScroll();
  const from = isStuck.current ? end : Math.min(end, anchored());
  const first = indexAt(offsets, from - OVERSCAN_PX);
  const last = Math.min(count - 1, indexAt(offsets, from + viewHeight + OVERSCAN_PX));

  /** If somebody scrolled since the last rendering, the anchor changes. */
  function followScroll(): void {
    const element = frame.current;
    const before = placed.current;
    if (element === null || before === null || element.clientHeight === 0) return;
    const { scrollTop, scrollHeight, clientHeight } = element;
    if (Math.abs(scrollTop - before.top) < SCROLLED_PX) return;
    isStuck.current = isAtEnd && scrollHeight - scrollTop - clientHeight < END_PX;
    const index = indexAt(before.offsets, scrollTop);
    anchor.current =
      scrollTop < SCROLLED_PX
        ? null
        : { key: before.keyOf(index), index, offset: scrollTop - (before.offsets[index] ?? 0) };
    placed.current = { ...before, top: scrollTop };
  }

  /** The scroll position that keeps the anchor in place. */
  function anchored(): number {
    const found = anchor.current;
    if (found === null || count === 0) return 0;
    let { index } = found;
    if (index >= count || keyOf(index) !== found.key) {
      index = 0;
      while (index < count && keyOf(index) !== found.key) index += 1;
      // The anchor row was removed; the row in its place becomes the anchor.
      if (index === count) index = Math.min(found.index, count - 1);
      anchor.current = { ...found, index, key: keyOf(index) };
    }
    return Math.max(0, (offsets[index] ?? 0) + found.offset);
  }

  // Measures the heights of the rendered rows.
  const measure = useRef(() => undefined as void);
  measure.current = () => {
    const element = frame.current;
    const list = element?.firstElementChild;
    // Rows of a hidden list have no height. If that were believed, the whole list would be rendered and loaded.
    if (element === null || list === null || list === undefined || element.clientHeight === 0) return;
    let isChanged = false;
    for (const [at, child] of Array.from(list.children).entries()) {
      const index = first + at;
      if (index >= count) break;
      const key = keyOf(index);
      const { height } = child.getBoundingClientRect();
      const before = heights.current.get(key);
      if (before !== undefined && Math.abs(before - height) < HEIGHT_CHANGE_PX) continue;
      heights.current.set(key, height);
      isChanged = true;
    }
    if (!isChanged) return;
    heightsRevision.current += 1;
    redraw();
  };

  useLayoutEffect(() => {
    if (onRange !== undefined && count > 0) onRange(first, last);
  });
  useLayoutEffect(() => measure.current());
  useLayoutEffect(() => {
    const element = frame.current;
    const list = element?.firstElementChild;
    if (element === null || list === null || list === undefined) return;
    const observer = new ResizeObserver(() => {
      measure.current();
      // The list may have been hidden until now, with a row still to be scrolled into view.
      redraw();
    });
    observer.observe(list);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    if (element.clientHeight === 0) {
      placed.current = null;
      return;
    }
    if (target !== null && target !== undefined && target !== handled.current) {
      handled.current = target;
      isStuck.current = false;
      const { index } = target;
      const begin = offsets[index] ?? 0;
      const top = Math.min(end, Math.max(0, begin - element.clientHeight / 4));
      anchor.current = { key: keyOf(index), index, offset: top - begin };
      element.scrollTop = top;
      redraw();
    } else if (isStuck.current) {
      element.scrollTop = element.scrollHeight;
    } else if (Math.abs(element.scrollTop - from) >= SCROLLED_PX) {
      element.scrollTop = from;
    }
    placed.current = { offsets, keyOf, top: element.scrollTop };
  });

  // A row that has the focus may be removed, by scrolling or by a change. The keyboard then goes on scrolling the list.
  const hadFocus = frame.current?.contains(document.activeElement) === true;
  useLayoutEffect(() => {
    if (hadFocus && document.activeElement === document.body) frame.current?.focus({ preventScroll: true });
  });

  const rows: ComponentChildren[] = [];
  for (let index = first; index <= last; index += 1) {
    rows.push(
      <li key={keyOf(index)} aria-setsize={count} aria-posinset={index + 1}>
        {row(index)}
      </li>,
    );
  }
  return (
    <div class="virtual-list" ref={frame} tabIndex={0} role="region" aria-label={label} onScroll={redraw}>
      <ol style={{ height: `${total}px`, paddingTop: `${offsets[first] ?? 0}px` }}>{rows}</ol>
    </div>
  );
}

/** The top of each row, and the bottom of the last one. */
function sumHeights(count: number, heightOf: (index: number) => number): Float64Array {
  const offsets = new Float64Array(count + 1);
  for (let index = 0; index < count; index += 1) offsets[index + 1] = (offsets[index] ?? 0) + heightOf(index);
  return offsets;
}

/** The row at a height: the last one that begins at or above it. */
function indexAt(offsets: Float64Array, height: number): number {
  let low = 0;
  let high = Math.max(0, offsets.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((offsets[middle] ?? 0) <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}
