/**
 * The probability that a sample of one kind is greater than one of the other, with ties counted half: the area under the ROC curve,
 * computed from ranks (Mann-Whitney U). 0.5 means that they cannot be told apart. NaN if either is empty. O(n log n).
 */
export function areaUnderCurve(ones: readonly number[], others: readonly number[]): number {
  const all = [...ones.map((value) => ({ value, isOne: true })), ...others.map((value) => ({ value, isOne: false }))];
  const sorted = all.toSorted((a, b) => a.value - b.value);
  let rankSum = 0;
  for (let at = 0; at < sorted.length;) {
    let end = at;
    while (end < sorted.length && sorted[end]?.value === sorted[at]?.value) end += 1;
    // Ranks count from 1; equal values share their mean rank.
    const rank = (at + 1 + end) / 2;
    rankSum += rank * sorted.slice(at, end).filter(({ isOne }) => isOne).length;
    at = end;
  }
  const u = rankSum - (ones.length * (ones.length + 1)) / 2;
  return u / (ones.length * others.length);
}
