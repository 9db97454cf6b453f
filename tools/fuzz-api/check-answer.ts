import { PROBLEMS, problemSchema } from "../../src/api/errors.ts";
import type { HostileRequest } from "./hostile-request.ts";
import { MARKER } from "./hostile-value.ts";
import type { RawAnswer } from "./raw-http.ts";

/** Text that would show the inside of the program. */
const INSIDE = /\bat [\w.<>]+ \(|\.ts:\d|\.js:\d|node_modules|SQLITE_|postgres(?:ql)?:\/\/|\[object Object\]/;

/** Lists what is wrong with an answer. The runtime itself may answer broken HTTP; such an answer need not be ours. */
export function faultsOf(request: HostileRequest, answer: RawAnswer | null, secrets: readonly string[]): string[] {
  // An export breaks off if its session is erased meanwhile, so that nobody takes it for complete.
  const mayBreakOff = request.isBroken || request.operationId === "exportSession";
  if (answer === null) return mayBreakOff ? [] : ["was not answered"];
  const { status, headers, text } = answer;
  const faults: string[] = [];
  for (const secret of secrets) if (text.includes(secret)) faults.push("holds a secret");
  if (status >= 400 && text.includes(MARKER)) faults.push("repeats what was sent");
  if (status >= 400 && INSIDE.test(text)) faults.push("shows internals of the program");
  const isOurs = headers["x-request-id"] !== undefined;
  if (!isOurs) {
    const isRefused = status >= 400 && (status < 500 || status === 501);
    if (!request.isBroken || !isRefused) faults.push(`${status} does not come from the Worker`);
    return faults;
  }
  if (status >= 500 && !isPassing(answer)) faults.push(`answered ${status}`);
  if (headers["x-content-type-options"] !== "nosniff") faults.push("lacks the security headers");
  if (request.method === "HEAD") return text === "" ? faults : [...faults, "a HEAD has a body"];
  if (request.method === "OPTIONS" && status === 204 && headers["allow"] === undefined) faults.push("names no methods");
  if (status >= 400) faults.push(...problemFaults(answer));
  return faults;
}

/** A dependency that is unavailable at the moment, which the contract allows for. */
function isPassing({ status, headers, text }: RawAnswer): boolean {
  return status === 503 && Number(headers["retry-after"]) > 0 && text.includes('"code":"unavailable"');
}

function problemFaults({ status, headers, text }: RawAnswer): string[] {
  if (headers["content-type"] !== "application/problem+json") return [`${status} is not a problem document`];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [`${status} is not JSON`];
  }
  const parsed = problemSchema.safeParse(value);
  if (!parsed.success) return [`${status} is not a problem document: ${parsed.error.issues[0]?.message}`];
  const { code, requestId } = parsed.data;
  if (PROBLEMS[code].status !== status || parsed.data.status !== status) return [`${code} came with ${status}`];
  return requestId === headers["x-request-id"] ? [] : ["contains the id of another request"];
}
