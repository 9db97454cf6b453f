import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** Finds mistakes in the Markdown documents of this repository: in their links, their anchors, and their code. */

/** The documents' texts by path from the root, with slashes. */
export type Documents = ReadonlyMap<string, string>;

export interface CodeBlock {
  readonly file: string;
  /** The number of the first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** Code that the reader is assumed to have. It stands in a comment `<!-- given: … -->` before the block. */
  readonly given: string;
}

const BLOCK = /(?:<!-- given:(?<given>[^]*?)-->\n\n?)?^```(?<language>\w+)\n(?<code>[^]*?)^```$/gm;

export function codeBlocks(file: string, text: string): CodeBlock[] {
  return Array.from(text.matchAll(BLOCK), ({ index, 0: whole, groups }) => {
    const { given = "", language = "", code = "" } = groups ?? {};
    const codeAt = index + whole.length - code.length - "```".length;
    return { file, line: text.slice(0, codeAt).split("\n").length, language, code, given: given.trim() };
  });
}

/** Makes the block a module of its own. A function around it lets it return and await, as the reader's own function would. */
export function moduleOf({ given, code }: CodeBlock, name: string): string {
  const imports = code.match(/^import .*$/gm)?.join("\n") ?? "";
  const rest = code.replaceAll(/^import .*$/gm, "").replaceAll(/^export /gm, "");
  return `${imports}\n${given}\nexport async function ${name}(): Promise<unknown> {\n${rest}\nreturn undefined;\n}\n`;
}

/** Returns a sentence for each link whose file or heading does not exist. Links to other sites are not checked. */
export function findBrokenLinks(documents: Documents, root: string): string[] {
  const anchors = new Map<string, ReadonlySet<string>>();
  const anchorsOf = (file: string): ReadonlySet<string> => {
    const known =
      anchors.get(file) ?? headingAnchors(documents.get(file) ?? readFileSync(path.join(root, file), "utf8"));
    anchors.set(file, known);
    return known;
  };
  const faults: string[] = [];
  for (const [file, text] of documents) {
    for (const target of linksOf(text)) {
      const [place = "", anchor] = target.split("#", 2);
      const found = place === "" ? file : path.posix.join(path.posix.dirname(file), decodeURI(place));
      if (!existsSync(path.join(root, found)))
        faults.push(`${file} links to ${target}, and there is no file ${found}.`);
      else if (anchor !== undefined && found.endsWith(".md") && !anchorsOf(found).has(anchor)) {
        faults.push(`${file} links to ${target}, and ${found} has no heading with the anchor #${anchor}.`);
      }
    }
  }
  return faults;
}

/** What documents may tell readers to run: the scripts of package.json, and the programs of `scripts/program/programs.json`. */
export interface Programs {
  readonly scripts: ReadonlySet<string>;
  readonly programs: ReadonlySet<string>;
}

/** Returns a sentence for each command or path that does not exist, and for each block of invalid JSON. */
export function findStaleNames(documents: Documents, root: string, { scripts, programs }: Programs): string[] {
  const faults: string[] = [];
  for (const [file, text] of documents) {
    for (const [, name = ""] of text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)) {
      if (!scripts.has(name)) faults.push(`${file} says npm run ${name}, and package.json has no such script.`);
    }
    for (const [, name = ""] of text.matchAll(/\bscripts\/run\.mjs ([a-z][\w-]*)/g)) {
      if (!programs.has(name)) faults.push(`${file} says scripts/run.mjs ${name}, and there is no such program.`);
    }
    for (const [, named = ""] of text.matchAll(
      /`((?:src|client|inspector|scripts|simulation|test|tools|docs)\/[\w./-]+)`/g,
    )) {
      if (!existsSync(path.join(root, named))) faults.push(`${file} names ${named}, and there is no such file.`);
    }
    for (const { language, line, code } of codeBlocks(file, text)) {
      if (language === "json" && !isJson(code)) faults.push(`The block at ${file}:${line} is not valid JSON.`);
    }
  }
  return faults;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function linksOf(text: string): string[] {
  const links = withoutCode(text).matchAll(/\]\((?<target>[^)\s]+)(?:\s+"[^"]*")?\)/g);
  return Array.from(links, ({ groups }) => groups?.["target"] ?? "").filter((target) => !/^[a-z]+:/.test(target));
}

/** Makes anchors of headings as the code host does: lower case, hyphens for spaces, no punctuation, and a number after a repeated one. */
function headingAnchors(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of withoutCode(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let repeated = 1; anchors.has(unique); repeated += 1) unique = `${anchor}-${repeated}`;
    anchors.add(unique);
  }
  return anchors;
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[^]*?^```$/gm, "");
}
