/** A list of any length that draws what is in view alone. Rows may have any height: it is measured once they are drawn. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

export interface VirtualListProps {
  readonly label: string;
  readonly count: number;
  /** What a row is known by while others come and go. */
  readonly keyOf: (index: number) => string | number;
  readonly row: (index: number) => ComponentChildren;
  /** Of a row that was never drawn, in pixels. */
  readonly estimate: (index: number) => number;
  /** Told of what is drawn. */
  readonly onRange?: (first: number, last: number) => void;
  /** Brought into view when it changes. */
  readonly target?: { readonly index: number } | null;
  /** Begins at the end, and stays there while more comes. */
  readonly isAtEnd?: boolean;
}

/** Drawn beyond what is in view, so that a quick wheel shows no blank. */
const OVERSCAN_PX = 600;
/** Near enough to the end to count as there. */
const END_PX = 40;
/** Less is a matter of rounding. */
const HEIGHT_CHANGE_PX = 0.5;

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
  const [, setDraws] = useState(0);
  const redraw = (): void => setDraws((before) => before + 1);

  const offsets = useMemo(
    () => sumHeights(count, (index) => heights.current.get(keyOf(index)) ?? estimate(index)),
    [count, keyOf, estimate, heightsRevision.current],
  );
  const total = offsets[count] ?? 0;
  const viewHeight = frame.current?.clientHeight ?? 800;
  const from = isStuck.current ? Math.max(0, total - viewHeight) : (frame.current?.scrollTop ?? 0);
  const first = indexAt(offsets, from - OVERSCAN_PX);
  const last = Math.min(count - 1, indexAt(offsets, from + viewHeight + OVERSCAN_PX));

  // Takes the heights of what is drawn. What stands above the view and turns out otherwise does not move what is looked at.
  const measure = useRef(() => undefined as void);
  measure.current = () => {
    const element = frame.current;
    const list = element?.firstElementChild;
    if (element === null || list === null || list === undefined) return;
    const viewTop = element.getBoundingClientRect().top;
    let moved = 0;
    let isChanged = false;
    for (const [at, child] of Array.from(list.children).entries()) {
      const index = first + at;
      if (index >= count) break;
      const key = keyOf(index);
      const { height, bottom } = child.getBoundingClientRect();
      const before = heights.current.get(key);
      if (before !== undefined && Math.abs(before - height) < HEIGHT_CHANGE_PX) continue;
      heights.current.set(key, height);
      isChanged = true;
      if (bottom <= viewTop) moved += height - (before ?? estimate(index));
    }
    if (!isChanged) return;
    heightsRevision.current += 1;
    if (moved !== 0 && !isStuck.current) element.scrollTop += moved;
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
      // It may have been hidden until now, with something still to be brought into view.
      redraw();
    });
    observer.observe(list);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null || element.clientHeight === 0) return;
    if (target !== null && target !== undefined && target !== handled.current) {
      handled.current = target;
      isStuck.current = false;
      element.scrollTop = Math.max(0, (offsets[target.index] ?? 0) - element.clientHeight / 4);
      redraw();
    } else if (isStuck.current) {
      element.scrollTop = element.scrollHeight;
    }
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
    <div
      class="virtual-list"
      ref={frame}
      tabIndex={0}
      role="region"
      aria-label={label}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        isStuck.current = isAtEnd && scrollHeight - scrollTop - clientHeight < END_PX;
        redraw();
      }}
    >
      <ol style={{ height: `${total}px`, paddingTop: `${offsets[first] ?? 0}px` }}>{rows}</ol>
    </div>
  );
}

/** Where each row begins, and where the last one ends. */
function sumHeights(count: number, heightOf: (index: number) => number): Float64Array {
  const offsets = new Float64Array(count + 1);
  for (let index = 0; index < count; index += 1) offsets[index + 1] = (offsets[index] ?? 0) + heightOf(index);
  return offsets;
}

/** The row at a height: the last that begins at or before it. */
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
