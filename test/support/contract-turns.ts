/** The messages that the contract tests append, over every surface. */

export const newId = (): string => `contract-${crypto.randomUUID()}`;

export const said = (text: string, id: string) => ({ id, role: "user" as const, content: text });

export const turns = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `turn-${index + 1}`,
    role: index % 2 === 0 ? ("user" as const) : ("assistant" as const),
    content: `Turn ${index + 1}: crate ${7000 + index} went to the harbour office of Porto on day ${index + 1}.`,
  }));

/** As a caller in plain JavaScript may write it. */
export function untyped<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value));
}
