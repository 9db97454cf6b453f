/** Words that this repository no longer uses, and what to say instead. docs/glossary.md lists the terms. */

interface WordRule {
  /** What is refused in code, comments, texts and file names. */
  readonly word: RegExp;
  readonly say: string;
}

interface WordException {
  /** Matches paths from the root, with slashes. */
  readonly files: RegExp;
  /** The allowed word. Without it, these files may use every word. */
  readonly word?: RegExp;
  readonly reason: string;
}

export interface OldWord {
  readonly file: string;
  /** The line, from 1; 0 means the name of the file. */
  readonly line: number;
  readonly word: string;
  readonly say: string;
}

const WORDS: readonly WordRule[] = [
  { word: /\w*incarnation\w*/gi, say: "epoch" },
  {
    word: /(?<!sign of |socket's |twice the )\blife\b(?! of a token)|\b\w*Life\b|\b\w+_life\b|\blife_\w+|\b[a-z]\w*Lives\b|\bLives of\b/g,
    say: "epoch",
  },
  { word: /\b(?:of|two|earlier|several|these|by|no) lives\b/g, say: "epochs" },
  { word: /\b[Bb]irth(?!day)\w*/g, say: "creation, or creation grant" },
  {
    word: /\b[Uu]?n?owed\b|\b[Oo]we[sd]?\b|\b[Oo]wing\b|\bowe[A-Z]\w*|\b\w+Owed\w*|\bOwed[A-Z]\w*|\b(?:un)?owe[sd][A-Z_]\w*|\b\w+_owed\b|\bOWED_\w+/g,
    say: "schedule a job; a job is pending until it is confirmed",
  },
  {
    word: /\b(?:a|the|newest|earlier|later|this|that|its) word (?:of|from) (?:the|a|its) (?:directory|list)\b/gi,
    say: "creation grant",
  },
  { word: /\b\w*[Mm]akeshifts?\w*|\bMAKESHIFT\w*/g, say: "fallback summary" },
  { word: /\b[Ss]hortfall\w*/g, say: "the cause of the fallback" },
  { word: /\b[Rr]edo(?:[A-Z_]\w*)?\b|\bREDO_\w+|\b\w+Redo\b/g, say: "rebuild, or invalidate" },
  { word: /\b(?:un)?taint\w*|\b\w+Taint\w*/gi, say: "invalidate, invalidated" },
  { word: /\b[Ll]uggage\w*|\b[a-z]\w*Carrying\w*|\bCarrying[A-Z]\w*/g, say: "carry over, carried items" },
  { word: /\bheed\w*/gi, say: "record the grant" },
  {
    word: /\b[Hh]ears?\b|\b[Hh]eard\b|\b(?:is|forget)Heard\b|\bheard_\w+/g,
    say: "is told; applies the tenant's settings; notes a source's erasure",
  },
  { word: /\bidling\b/gi, say: "idle schedule" },
  { word: /\bblanksOf\b|\bblanks\b|\b\w*[Ff]ree[ -]?[Pp]ages\b/g, say: "zeros, spaces; secure delete" },
  { word: /\barchiv\w*Again\b|\barchiv(?:e|es|ed|ing) again\b/g, say: "resync the archive" },
  { word: /\bproofs?\b|\b[A-Z]\w*Proof\b|\bproofOf\w*|\bprove[A-Z]\w*/g, say: "integrity check, integrity report" },
  { word: /\b\w+Strangers?\b|["'`]stranger["'`]|\bstranger[ -]limit\b|_STRANGER\b/g, say: "unauthenticated" },
  { word: /\bturn(?:s|ed|ing) away\b|\bturned-away\b/gi, say: "refuse; audit refusals" },
  { word: /\bkeepAnswer\b|\bKeptAnswer\w*|\bkept[ -]answers?\b/gi, say: "single-flight cache" },
  { word: /\bcall: Call\b|\bparts: Parts\b/g, say: "RequestContext, Deps" },
  { word: /\b(?:held|owed)Seq\b/g, say: "confirmedSeq, targetSeq, or sentSeq" },
  { word: /\bOperationSpec\b/g, say: "use case: an operation is an administrator's bulk run" },
];

const EXCEPTIONS: readonly WordException[] = [
  { files: /(^|\/)(word-rules|check-words)(\.test)?\.ts$/, reason: "It names the words that it refuses." },
  { files: /(^|\/)(stem|terms|statuses|packed|hostile-text)\.ts$/, reason: "Lists of words that chats use." },
  { files: /^(examples|(scripts|tools)\/eval)\//, reason: "What people say in chats." },
  { files: /(^|\/)summarizer\/prompt\.ts$/, word: /^life$/, reason: "The prompt's words are measured as they are." },
  { files: /^CHANGELOG\.md$/, reason: "It tells of versions as they were." },
  { files: /./, word: /^\w*(?:[Tt]icket|HALF_|half)Life$/, reason: "How long a ticket is valid." },
];

/** Finds old words in a file's name and text. */
export function findOldWords(file: string, text: string): OldWord[] {
  const allowed = EXCEPTIONS.filter(({ files }) => files.test(file));
  if (allowed.some(({ word }) => word === undefined)) return [];
  const found: OldWord[] = [];
  const lines = [file, ...text.split("\n")];
  for (const { word: pattern, say } of WORDS) {
    for (const [line, content] of lines.entries()) {
      for (const [word] of content.matchAll(pattern)) {
        if (!allowed.some((exception) => exception.word?.test(word))) found.push({ file, line, word, say });
      }
    }
  }
  return found.toSorted((a, b) => a.line - b.line);
}

export function describeOldWord({ file, line, word, say }: OldWord): string {
  const place = line === 0 ? file : `${file}:${line}`;
  return `${place} says "${word}"${line === 0 ? " in its name" : ""}; say: ${say}`;
}
