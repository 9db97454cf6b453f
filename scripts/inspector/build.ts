// Builds the pages with Vite, and the OpenAPI document. Only in a clone: the npm package contains neither Vite nor the
// sources.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "vite";
import { projectRoot } from "../dev/paths.ts";

/** The generator is type-checked like the Worker, so it is imported dynamically with only this interface. */
interface Generator {
  generateApiFiles(version: string): Record<string, string>;
}

export async function buildInspector(directory: string): Promise<void> {
  const configFile = path.join(projectRoot, "inspector/vite.config.ts");
  // The native loader writes no files; others write one beside the packages, which may belong to another user.
  await build({ configFile, configLoader: "native", build: { outDir: directory }, logLevel: "warn" });
  await writeApiFiles(directory);
  writeLicences(path.join(directory, "inspector/assets/swagger-ui-licences.txt"));
}

async function writeApiFiles(directory: string): Promise<void> {
  const { generateApiFiles }: Generator = await import(new URL("../openapi/generate.ts", import.meta.url).href);
  const { version }: { version: string } = JSON.parse(readFileSync(path.join(projectRoot, "package.json"), "utf8"));
  for (const [name, text] of Object.entries(generateApiFiles(version))) writeFileSync(path.join(directory, name), text);
}

/** Swagger UI is distributed with the page, so its licence and those of its dependencies must be too. */
function writeLicences(file: string): void {
  const swaggerUi = path.join(projectRoot, "node_modules/swagger-ui-dist");
  const texts = ["NOTICE", "LICENSE", "swagger-ui-es-bundle.js.LICENSE.txt"].map((name) =>
    readFileSync(path.join(swaggerUi, name), "utf8"),
  );
  writeFileSync(file, texts.join("\n\n"));
}
