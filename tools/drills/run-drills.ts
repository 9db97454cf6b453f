import type { Drill } from "./drill.ts";
import { openStage, type StageOptions } from "./stage.ts";

export interface DrillResult {
  readonly name: string;
  readonly seconds: number;
  /** What did not hold; null if all did. */
  readonly fault: string | null;
}

/** Runs the drills one after the other on one service. After a fault it stops, because the service may not be healthy. */
export async function runDrills(drills: readonly Drill[], options: StageOptions): Promise<DrillResult[]> {
  const results: DrillResult[] = [];
  const stage = await openStage(options);
  try {
    for (const drill of drills) {
      const startedAt = performance.now();
      const fault = await drill.run(stage.scene(drill.name)).then(() => null, textOf);
      results.push({ name: drill.name, seconds: Math.round((performance.now() - startedAt) / 1000), fault });
      if (fault !== null) break;
    }
    return results;
  } finally {
    await stage.close();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
