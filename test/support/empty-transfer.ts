/** The smallest file that an import takes: a session without a message. */
export function emptyTransfer(id: string): string {
  const createdAt = "2026-11-22T09:30:00.000Z";
  const lines = [
    { type: "session", format: "threadkeep-session", formatVersion: 1, id, createdAt, metadata: {}, settings: {} },
    { type: "end", messages: 0, summaries: 0, items: 0, complete: true },
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}
