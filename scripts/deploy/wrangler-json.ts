// Reads JSON that wrangler prints, without relying on its shape.

/** Wrangler may print text before and after it. */
export function parseJson(output: string): unknown {
  const text = /[[{][\s\S]*[\]}]/.exec(output)?.[0] ?? "";
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined if there is no such field. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}
