// What wrangler prints for programs, read without believing in its form.

/** Wrangler may say something before it, and after it. */
export function parseJson(output: string): unknown {
  const text = /[[{][\s\S]*[\]}]/.exec(output)?.[0] ?? "";
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined where there is no such field. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}
