/** Words that name a day by the one on which they are said: days later they mean another. In English, German, Spanish, French, Portuguese and Italian. */

const WEEKDAYS =
  "monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|" +
  "lunes|martes|miércoles|jueves|viernes|sábado|domingo|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|" +
  "segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica";

/** By themselves. "Hier" alone is left out: in German it means "here", and stands in every other sentence. */
const WORDS =
  "today|tonight|tomorrow|yesterday|heute|morgen|übermorgen|gestern|vorgestern|hoy|mañana|ayer|anteayer|" +
  "aujourd['’]hui|demain|hier (?:soir|matin|midi)|d['’]hier|depuis hier|après-demain|avant-hier|hoje|amanhã|ontem|anteontem|oggi|domani|ieri|dopodomani|l['’]altro ieri";

/** Before what they point at. */
const BEFORE =
  "(?:this|next|last|coming|past|diese[nmrs]?|nächste[nmrs]?|kommende[nmrs]?|letzte[nmrs]?|vorige[nmrs]?|" +
  "est[ea]|próxim[oa]|últim[oa]|ce|cette|quest[oa]|prossim[oa]|scors[oa])";

const SPANS =
  "(?:week|weekend|month|year|morning|afternoon|evening|night|spring|summer|autumn|fall|winter|woche|wochenende|monat|jahr|" +
  "semana|mes|mês|año|ano|noche|noite|semaine|mois|année|soir|settimana|mese|anno|sera)";

/** Behind what they point at. */
const AFTER =
  "(?:que viene|que vem|próxim[oa]|pasad[oa]|passad[oa]|prochaine?|derni(?:er|ère)|passée?|prossim[oa]|scors[oa])";

const UNITS =
  "(?:days?|weeks?|months?|years?|hours?|tag(?:en?)?|wochen?|monat(?:en?)?|jahr(?:en?)?|días?|semanas?|mes(?:es)?|años?|" +
  "jours?|semaines?|mois|ans?|dias?|anos?|giorn[oi]|settiman[ae]|mes[ei]|ann[oi])";

/** "in two weeks", "vor drei Tagen", "hace 3 días": a number in words or figures. */
const SHIFTED = `(?:in|vor|hace|dans|il y a|em|há|fra|tra) (?:\\p{L}{1,12}|\\d{1,3}) ${UNITS}|(?:\\p{L}{1,12}|\\d{1,3}) ${UNITS} (?:ago|fa|atrás)`;

const RELATIVE = new RegExp(
  `(?<![\\p{L}\\p{N}])(?:${WORDS}|${WEEKDAYS}|${BEFORE} ${SPANS}|${SPANS} ${AFTER}|${SHIFTED})(?![\\p{L}\\p{N}])`,
  "iu",
);

/** A year tells that the day is said, or worked out, already. */
const DATED = /(?<!\d)(?:19|20)\d\d(?!\d)/;

/** The first of such words in a text; null if it has none. */
export function relativeWords(text: string): string | null {
  return RELATIVE.exec(text.normalize("NFC"))?.[0] ?? null;
}

/** The text with the day on which it was said, if it speaks of another by that one and names none. */
export function withDay(text: string, day: (words: string) => string | null): string {
  const words = DATED.test(text) ? null : relativeWords(text);
  const said = words === null ? null : day(words);
  return said === null ? text : `${text} (said ${said})`;
}
