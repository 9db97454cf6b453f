import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../scripts/dev/paths.ts";
import { describeOldWord, findOldWords } from "./check/word-rules.ts";

const AREAS = [
  "src",
  "client",
  "inspector",
  "simulation",
  "scripts",
  "tools",
  "test",
  "docs",
  "examples",
  "migrations",
];
const TEXTS = /\.(?:[cm]?[jt]sx?|md|sql|css|html|txt|ya?ml|toml)$/;
const NOT_OURS = /(?:^|\/)(?:node_modules|dist|\.[^/]+)\//;

const files = readdirSync(projectRoot).filter((name) => TEXTS.test(name));
for (const area of AREAS) {
  const directory = path.join(projectRoot, area);
  if (!existsSync(directory)) continue;
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const file = `${area}/${name.replaceAll(path.sep, "/")}`;
    if (TEXTS.test(file) && !NOT_OURS.test(file) && statSync(path.join(projectRoot, file)).isFile()) files.push(file);
  }
}

const found = files.flatMap((file) => findOldWords(file, readFileSync(path.join(projectRoot, file), "utf8")));
for (const word of found) console.error(describeOldWord(word));
if (found.length > 0) console.error(`\n${found.length} old words. docs/glossary.md has the words to use.`);
else console.log(`${files.length} files use the words of docs/glossary.md.`);
process.exitCode = found.length > 0 ? 1 : 0;
