/** Bugs that the simulation has to find, each as a change of the source text that the loader makes. src/ itself never has them. */

export interface Patch {
  /** Under src/. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly replace: string;
  readonly by: string;
}

/** No bug: every run has these. */
export const SOUND = "sound";

/**
 * A summary of many chunks would need a megabyte of chat, at 32,000 tokens a chunk: this brings several chunks into chats of some
 * dozen messages. Larger than the largest summary that the simulation asks for. And a summary is given up within a seed.
 */
const TUNING: readonly Patch[] = [
  {
    file: "contracts/limits.ts",
    replace: "MAX_SUMMARIZER_INPUT_TOKENS = 32_000",
    by: "MAX_SUMMARIZER_INPUT_TOKENS = 900",
  },
  { file: "memory/work.ts", replace: "MAX_SUMMARIZE_FAILURES = 20", by: "MAX_SUMMARIZE_FAILURES = 3" },
];

export const PLANTED_BUGS: Readonly<Record<string, readonly Patch[]>> = {};

export function patchesOf(variant: string): readonly Patch[] {
  if (variant === SOUND) return TUNING;
  const bug = PLANTED_BUGS[variant];
  if (bug === undefined) {
    throw new Error(`There is no planted bug "${variant}". There are: ${Object.keys(PLANTED_BUGS).join(", ")}`);
  }
  return [...TUNING, ...bug];
}
