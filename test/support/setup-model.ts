import type { TestProject } from "vitest/node";
import "./provided.ts";
import { shareInRun } from "./run-scoped.ts";
import { startStandInModel } from "./stand-in-model.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { value: model, release } = await shareInRun("model", async () => {
    const value = await startStandInModel();
    return { value, close: value.close };
  });
  project.provide("standInModelUrl", model.url);
  return release;
}
