// Builds the page with Vite. In a clone alone: a package from npm brings neither Vite nor the sources.
import path from "node:path";
import { build } from "vite";
import { projectRoot } from "../dev/paths.ts";

export async function buildInspector(directory: string): Promise<void> {
  const configFile = path.join(projectRoot, "inspector/vite.config.ts");
  // Any other way of reading the configuration writes a file beside the packages, which may be another user's.
  await build({ configFile, configLoader: "native", build: { outDir: directory }, logLevel: "warn" });
}
