import type { Random } from "./random.ts";
import type { CallFault } from "./simulated-object.ts";

const FARTHEST_STATEMENT = 14;

export function callFault(random: Random): CallFault {
  const choice = random.next();
  if (choice < 0.27) return { kind: "lost" };
  if (choice < 0.54) return { kind: "answerLost" };
  return { kind: choice < 0.8 ? "disk" : "cut", statements: random.below(FARTHEST_STATEMENT) };
}
