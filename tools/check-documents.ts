import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectRoot } from "../scripts/dev/paths.ts";
import { codeBlocks, type CodeBlock, findBrokenLinks, findStaleNames, moduleOf } from "./check/documents.ts";
import { ONE_CHECKER } from "./check/steps.ts";

/** The directories with our own documents. All other Markdown files belong to dependencies or are generated. */
const DIRECTORIES = [".", "client", "docs", "docs/decisions", "examples"];
const INDEX = "docs/decisions/README.md";

const documents = new Map<string, string>();
for (const directory of DIRECTORIES) {
  for (const name of readdirSync(path.join(projectRoot, directory))) {
    if (!name.endsWith(".md") && name !== "llms.txt") continue;
    const file = path.posix.join(directory, name);
    documents.set(file, readFileSync(path.join(projectRoot, file), "utf8"));
  }
}

const blocks = [...documents].flatMap(([file, text]) => codeBlocks(file, text));
const typescript = blocks.filter(({ language }) => language === "ts");
const unlisted = [...documents.keys()]
  .filter((file) => path.posix.dirname(file) === path.posix.dirname(INDEX) && file !== INDEX)
  .filter((file) => !documents.get(INDEX)?.includes(`(${path.posix.basename(file)})`))
  .map((file) => `${INDEX} does not list ${path.posix.basename(file)}.`);
const read = (file: string): Record<string, Record<string, string>> =>
  JSON.parse(readFileSync(path.join(projectRoot, file), "utf8"));
const names = {
  scripts: new Set(Object.keys(read("package.json")["scripts"] ?? {})),
  programs: new Set(Object.values(read("scripts/program/programs.json")).flatMap((group) => Object.keys(group))),
};
// A changelog names programs and files of earlier versions.
const current = new Map([...documents].filter(([file]) => file !== "CHANGELOG.md"));
const stale = findStaleNames(current, projectRoot, names);
const faults = [...findBrokenLinks(documents, projectRoot), ...stale, ...unlisted, ...compile(typescript)];

for (const fault of faults) console.error(fault);
if (faults.length > 0) console.error(`\n${faults.length} mistakes in the documents.`);
else
  console.log(
    `The links, paths and commands of ${documents.size} documents exist, and ${typescript.length} code blocks compile.`,
  );
process.exitCode = faults.length > 0 ? 1 : 0;

/** Compiles each block as a module of its own, with the compiler options of the programs here. */
function compile(modules: readonly CodeBlock[]): string[] {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-documents-"));
  try {
    const client = path.join(projectRoot, "client/src");
    symlinkSync(path.join(projectRoot, "node_modules"), path.join(directory, "node_modules"), "junction");
    const options = {
      extends: path.join(projectRoot, "tsconfig.json"),
      compilerOptions: {
        lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
        types: ["node"],
        noUnusedLocals: false,
        allowJs: false,
        paths: {
          "threadkeep-client": [path.join(client, "index.ts")],
          "threadkeep-client/ai-sdk": [path.join(client, "ai-sdk/memory.ts")],
          "threadkeep-client/langchain": [path.join(client, "langchain/history.ts")],
          "threadkeep-client/langgraph": [path.join(client, "langgraph/saver.ts")],
          "threadkeep-client/opentelemetry": [path.join(client, "opentelemetry/tracing.ts")],
          "threadkeep-client/openai-agents": [path.join(client, "openai-agents/session.ts")],
        },
      },
      include: ["*.ts"],
    };
    writeFileSync(path.join(directory, "tsconfig.json"), JSON.stringify(options));
    for (const [at, block] of modules.entries()) {
      writeFileSync(path.join(directory, `block-${at}.ts`), moduleOf(block, `block${at}`));
    }
    const tsc = path.join(projectRoot, "node_modules/typescript/bin/tsc");
    const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", directory, ...ONE_CHECKER], {
      cwd: directory,
      encoding: "utf8",
    });
    if (status === 0) return [];
    return stdout
      .trim()
      .split("\n")
      .map((line) => line.replace(/^block-(\d+)\.ts\(.*?\)/, (_, at: string) => placeOf(modules[Number(at)])));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function placeOf(block: CodeBlock | undefined): string {
  return block === undefined ? "?" : `The block at ${block.file}:${block.line} does not compile`;
}
