// What `npm run eval -- mine` is called with.
import { z } from "zod";
import { MAX_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS } from "../../src/contracts/limits.ts";
import { type SessionSettings, sessionSettingsSchema } from "../../src/contracts/session.ts";
import {
  oneOf,
  readInputFile,
  readNumber,
  readOutputFile,
  readServiceUrl,
  UsageFault,
} from "../program/command-line.ts";
import type { ServiceAddress } from "./service-calls.ts";

export const MINE_OPTIONS = {
  budgets: { type: "string" },
  probes: { type: "string" },
  settings: { type: "string" },
  price: { type: "string" },
  picture: { type: "string" },
} as const;
type MineValues = Partial<Record<keyof typeof MINE_OPTIONS, string>>;

export interface MineCommand {
  readonly measure: "mine";
  readonly file: string;
  readonly budgets: readonly number[];
  readonly probes: number;
  readonly settings: SessionSettings;
  readonly price: number;
  readonly picture: string;
  /** Null: one of its own. */
  readonly service: ServiceAddress | null;
}

const DEFAULT_BUDGETS = "1000,2000,4000,8000";
const MAX_BUDGETS = 10;
const MAX_PROBES = 10_000;

export function readMineOptions(
  values: MineValues & Partial<Record<"url" | "key", string>>,
  files: readonly string[],
): MineCommand {
  const { budgets = DEFAULT_BUDGETS, probes = "100", settings = "{}", price = "1", picture = "mine.svg" } = values;
  const { url, key } = values;
  const file = readInputFile(oneOf(files, "which file? An export of your chats, for example"));
  if (url !== undefined) readServiceUrl("--url", url);
  if ((url === undefined) !== (key === undefined)) throw new UsageFault("--url and --key go together");
  const each = budgets.split(",").map((text) => readNumber("--budgets", text, MIN_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS));
  if (each.length > MAX_BUDGETS) throw new UsageFault(`--budgets takes at most ${MAX_BUDGETS}`);
  if (!(Number(price) >= 0)) throw new UsageFault(`--price must be a number of dollars, not ${JSON.stringify(price)}`);
  return {
    measure: "mine",
    file,
    budgets: [...new Set(each)].toSorted((a, b) => a - b),
    probes: readNumber("--probes", probes, 1, MAX_PROBES),
    settings: readSettings(settings),
    price: Number(price),
    picture: readOutputFile("--picture", picture),
    service: url === undefined || key === undefined ? null : { url, apiKey: key },
  };
}

function readSettings(text: string): SessionSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageFault(`--settings must be JSON, such as {"summaryMaxTokens": 800}, not ${JSON.stringify(text)}`);
  }
  const read = sessionSettingsSchema.safeParse(value);
  if (!read.success) throw new UsageFault(`--settings: ${z.prettifyError(read.error)}`);
  if (read.data.maxTokens !== undefined) throw new UsageFault("--settings: maxTokens is what --budgets says");
  return read.data;
}

/** For the other measurements, which take none of these. */
export function refuseMineOptions(values: MineValues): void {
  const given = (Object.keys(MINE_OPTIONS) as (keyof typeof MINE_OPTIONS)[]).find((name) => values[name] !== undefined);
  if (given !== undefined) throw new UsageFault(`--${given} goes with mine`);
}
