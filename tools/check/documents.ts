import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** What Markdown documents of this repository may be wrong about: their links, their anchors, and the code in them. */

/** Text by the path of its file from the root, with slashes. */
export type Documents = ReadonlyMap<string, string>;

export interface CodeBlock {
  readonly file: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** What the reader has beside it, as a comment `<!-- given: … -->` before the block says. */
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

/** The block as a module of its own. A function lets it return and await, as the reader's own function would. */
export function moduleOf({ given, code }: CodeBlock, name: string): string {
  const imports = code.match(/^import .*$/gm)?.join("\n") ?? "";
  const rest = code.replaceAll(/^import .*$/gm, "").replaceAll(/^export /gm, "");
  return `${imports}\n${given}\nexport async function ${name}(): Promise<unknown> {\n${rest}\nreturn undefined;\n}\n`;
}

/** Links that lead to no file or heading, as sentences. Other sites are not asked. */
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

/** What documents call: the scripts of package.json, and the programs of `scripts/program/programs.json`. */
export interface Programs {
  readonly scripts: ReadonlySet<string>;
  readonly programs: ReadonlySet<string>;
}

/** Commands and paths that lead to nothing, and JSON that is none, as sentences. */
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
      if (language === "json" && !isJson(code)) faults.push(`The block at ${file}:${line} is no JSON.`);
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

/** As the code host makes anchors of headings: small letters, hyphens for spaces, no punctuation, a number behind one that repeats. */
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
