/** Reduces a word to its stem, so that different forms of a word match. Pure. */

/** Irregular forms that no suffix rule covers; the first of each group represents the others. */
const IRREGULAR = forms(
  `become became|begin began begun|bend bent|bite bit bitten|blow blew blown|break broke broken|bring brought
  |build built|buy bought|catch caught|choose chose chosen|come came|deal dealt|dig dug|do does did done|draw drew drawn
  |dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel felt|fight fought
  |find found|fly flew flown|forget forgot forgotten|forgive forgave forgiven|freeze froze frozen|get got gotten
  |give gave given|go goes went gone|grow grew grown|hang hung|hear heard|hide hid hidden|hold held|keep kept|know knew known
  |lay laid|lead led|learn learnt|leave left|lend lent|lose lost|make made|mean meant|meet met|pay paid|ride rode ridden
  |ring rang rung|rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent|shake shook shaken
  |shoot shot|show shown|sing sang sung|sink sank sunk|sit sat|sleep slept|speak spoke spoken|spend spent|spin spun
  |stand stood|steal stole stolen|stick stuck|swear swore sworn|swim swam swum|take took taken|teach taught|tear tore torn
  |tell told|think thought|throw threw thrown|understand understood|wake woke woken|wear wore worn|win won|write wrote written
  |child children|foot feet|goose geese|half halves|knife knives|leaf leaves|life lives|man men|mouse mice|person people
  |shelf shelves|tooth teeth|wife wives|wolf wolves|woman women|good better best|bad worse worst`,
);

function forms(groups: string): Map<string, string> {
  const byForm = new Map<string, string>();
  for (const group of groups.split("|")) {
    const [base = "", ...others] = group.trim().split(" ");
    for (const other of others) byForm.set(other, base);
  }
  return byForm;
}

const isConsonant = (word: string, i: number): boolean =>
  word[i] === "y" ? i === 0 || !isConsonant(word, i - 1) : !"aeiou".includes(word[i] ?? "");

/** How often a consonant follows a vowel in the word (Porter's "m"). */
function measure(word: string): number {
  let count = 0;
  for (let i = 1; i < word.length; i++) if (isConsonant(word, i) && !isConsonant(word, i - 1)) count++;
  return count;
}

const hasVowel = (word: string): boolean => [...word].some((_, i) => !isConsonant(word, i));
const endsDouble = (word: string): boolean => /([^aeiou])\1$/.test(word);
const endsShort = (word: string): boolean => {
  const n = word.length;
  return (
    n > 2 && isConsonant(word, n - 3) && !isConsonant(word, n - 2) && isConsonant(word, n - 1) && !/[wxy]$/.test(word)
  );
};

const SUFFIXES_2 =
  /(ational|tional|enci|anci|izer|bli|alli|entli|eli|ousli|ization|ation|ator|alism|iveness|fulness|ousness|aliti|iviti|biliti|logi)$/;
const SUFFIXES_2_TO: Record<string, string> = {
  ational: "ate",
  tional: "tion",
  enci: "ence",
  anci: "ance",
  izer: "ize",
  bli: "ble",
  alli: "al",
  entli: "ent",
  eli: "e",
  ousli: "ous",
  ization: "ize",
  ation: "ate",
  ator: "ate",
  alism: "al",
  iveness: "ive",
  fulness: "ful",
  ousness: "ous",
  aliti: "al",
  iviti: "ive",
  biliti: "ble",
  logi: "log",
};
const SUFFIXES_3 = /(icate|ative|alize|iciti|ical|ful|ness)$/;
const SUFFIXES_3_TO: Record<string, string> = {
  icate: "ic",
  ative: "",
  alize: "al",
  iciti: "ic",
  ical: "ic",
  ful: "",
  ness: "",
};
const SUFFIXES_4 = /(ement|ment|ance|ence|able|ible|(?<=[st])ion|ant|ent|ism|ate|iti|ous|ive|ize|al|er|ic|ou)$/;

function replaceSuffix(word: string, suffixes: RegExp, to: Record<string, string>): string {
  const suffix = suffixes.exec(word)?.[0];
  if (suffix === undefined || measure(word.slice(0, -suffix.length)) === 0) return word;
  return word.slice(0, -suffix.length) + (to[suffix] ?? "");
}

/** Cached stems, about 1 MB. A chat repeats its words, and stemming takes ten times as long as a lookup. */
const MAX_REMEMBERED_STEMS = 10_000;
const rememberedStems = new Map<string, string>();

/** The stem of a folded English word; other words are returned unchanged. */
export function stem(folded: string): string {
  const remembered = rememberedStems.get(folded);
  if (remembered !== undefined) return remembered;
  if (rememberedStems.size >= MAX_REMEMBERED_STEMS) rememberedStems.clear();
  const stemmed = stripSuffixes(IRREGULAR.get(folded) ?? folded);
  rememberedStems.set(folded, stemmed);
  return stemmed;
}

/** Martin Porter, "An algorithm for suffix stripping" (Program 14, 1980). */
function stripSuffixes(folded: string): string {
  let word = folded;
  if (word.length < 3 || !/^[a-z]+$/.test(word)) return word;
  word = word.replace(/(?:(ss|i)es|([^s])s)$/, "$1$2");
  const past = /(?:ed|ing)$/.exec(word)?.[0];
  if (word.endsWith("eed")) {
    if (measure(word.slice(0, -3)) > 0) word = word.slice(0, -1);
  } else if (past !== undefined && hasVowel(word.slice(0, -past.length))) {
    word = word.slice(0, -past.length);
    if (/(?:at|bl|iz)$/.test(word) || (measure(word) === 1 && endsShort(word))) word += "e";
    else if (endsDouble(word) && !/[lsz]$/.test(word)) word = word.slice(0, -1);
  }
  if (word.endsWith("y") && hasVowel(word.slice(0, -1))) word = `${word.slice(0, -1)}i`;
  word = replaceSuffix(word, SUFFIXES_2, SUFFIXES_2_TO);
  word = replaceSuffix(word, SUFFIXES_3, SUFFIXES_3_TO);
  const last = SUFFIXES_4.exec(word)?.[0];
  if (last !== undefined && measure(word.slice(0, -last.length)) > 1) word = word.slice(0, -last.length);
  if (word.endsWith("e")) {
    const rest = word.slice(0, -1);
    if (measure(rest) > 1 || (measure(rest) === 1 && !endsShort(rest))) word = rest;
  }
  return word.endsWith("ll") && measure(word) > 1 ? word.slice(0, -1) : word;
}
