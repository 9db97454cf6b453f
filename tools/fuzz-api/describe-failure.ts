import type { FuzzFailure } from "./run-fuzz.ts";

/** Longer bodies are not printed; `--only` sends them again. */
const MAX_SHOWN_BYTES = 2_000;
const MAX_SHOWN_TEXT = 600;

/** What was wrong, and the request as a shell command. The key is left to the reader. */
export function describeFailure({ place, request, answer, faults }: FuzzFailure, url: string, seed: number): string {
  const { operationId, method, path, headers, body, twists, isBroken, frames = [] } = request;
  const shown = headers
    .map(([name, value]): string => `${name}: ${name === "Authorization" ? "Bearer $KEY" : value}`)
    .map((header) => `-H ${quote(header.slice(0, MAX_SHOWN_TEXT))}`);
  const isShort = body === undefined || body.byteLength <= MAX_SHOWN_BYTES;
  const data = body === undefined || !isShort ? [] : [`--data-binary ${quote(Buffer.from(body).toString("utf8"))}`];
  const command = ["curl -i --path-as-is", `-X ${quote(method)}`, ...shown, ...data, quote(url + path)];
  return [
    `request ${place} of seed ${seed}, ${operationId}${twists.map((twist) => `, ${twist} twisted`).join("")}${isBroken ? ", broken HTTP" : ""}: ${faults.join("; ") || "no fault"}`,
    `  answer: ${answer === null ? "none" : `${answer.status} ${answer.text.slice(0, MAX_SHOWN_TEXT)}`}`,
    ...frames.map((frame) => `  frame: ${Buffer.from(frame).toString("utf8").slice(0, MAX_SHOWN_TEXT)}`),
    `  ${command.join(" ").slice(0, 4 * MAX_SHOWN_BYTES)}`,
    `  to repeat it${isShort ? "" : ` (its body has ${body.byteLength} bytes)`}: npm run fuzz:api -- --seed ${seed} --only ${place}`,
  ].join("\n");
}

/** Quotes a text as one word for a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
