// Stems, by which two texts are compared. A stem is a word (letters and digits, in lower case, without what follows an apostrophe) that is
// not a stop word, without its English endings by a short form of steps 1 to 4 of Porter's algorithm.

const STOP = new Set(
  (
    "a about above after again all also am an and any are aren as at be because been before being below between both but by can could " +
    "couldn d did didn do does doesn doing don down during each few for from further had hadn has hasn have haven having he her here hers " +
    "him his how i if in into is isn it its just let ll m me more most my no nor not now of off on once only or other our out over own re s " +
    "same she should so some such t than that the their them then there these they this those through to too under until up us ve very was " +
    "wasn we were weren what when where which while who whom why will with won would yes you your yours"
  ).split(" "),
);

/** Porter's measure: the number of vowel runs that consonants follow. */
function measure(word: string): number {
  return word.match(/[aeiouy]+[^aeiouy]+/g)?.length ?? 0;
}

// oxfmt-ignore
const SUFFIXES: readonly (readonly [ending: string, instead: string, least: number])[] = [
  ["ization", "ize", 1], ["ational", "ate", 1], ["iveness", "ive", 1], ["fulness", "ful", 1], ["ousness", "ous", 1],
  ["ation", "ate", 1], ["ement", "", 2], ["ical", "ic", 1], ["ness", "", 1], ["ment", "", 2], ["ance", "", 2], ["ence", "", 2],
  ["able", "", 2], ["ible", "", 2], ["tion", "t", 2], ["sion", "s", 2], ["ful", "", 1], ["ant", "", 2], ["ent", "", 2],
  ["ism", "", 2], ["ous", "", 2], ["ive", "", 2], ["ize", "", 2], ["ate", "", 2], ["al", "", 2], ["er", "", 2], ["ic", "", 2],
];

function stem(word: string): string {
  if (word.length < 3) return word;
  let root = word.replace(/(ss|i)es$/, "$1").replace(/([^s])s$/, "$1");
  const inflected = /^(.*[aeiouy].*?)(?:ed|ing)$/.exec(root)?.[1];
  if (inflected !== undefined) {
    root = inflected.replace(/([^aeioulsz])\1$/, "$1").replace(/(at|bl|iz)$/, "$1e");
  }
  root = root.replace(/(?<=[aeiouy].*)y$/, "i");
  for (let pass = 0; pass < 2; pass += 1) {
    const rule = SUFFIXES.find(([ending]) => root.endsWith(ending));
    if (rule === undefined) break;
    const start = root.slice(0, -rule[0].length);
    if (measure(start) < rule[2]) break;
    root = start + rule[1];
  }
  return root.length > 3 ? root.replace(/e$/, "") : root;
}

export function stemsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu) ?? [];
  const bare = words.map((word) => word.replace(/['’].*$/u, ""));
  return new Set(bare.filter((word) => !STOP.has(word)).map(stem));
}

export function wordsOf(text: string): string[] {
  return text.match(/\S+/g) ?? [];
}
