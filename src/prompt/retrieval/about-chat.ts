import { analyze } from "./terms.ts";

/**
 * Words in a query that are about the chat itself and not about its subject, by language. In other languages they count
 * like all words, which makes the ranking slightly worse. Pure.
 */

const WORDS: Readonly<Record<string, string>> = {
  en: `conversation chat discussion session message mention discuss talk tell say ask explain suggest recommend list order summary
    summarize remind earlier previously`,
  de: `gespräch unterhaltung chat sitzung nachricht erwähnt erwähnte besprochen gesagt sagte gefragt erklärt vorgeschlagen empfohlen
    liste reihenfolge zusammenfassung vorhin früher`,
  es: `conversación charla sesión mensaje mencioné mencionado dije dijiste pregunté explicaste sugeriste recomendaste lista orden
    resumen antes`,
  fr: `conversation discussion session message mentionné dit demandé expliqué suggéré proposé recommandé liste ordre résumé`,
  pt: `conversa sessão mensagem mencionei mencionado disse disseste perguntei explicou sugeriu recomendou lista ordem resumo`,
};

/** The words as terms of the index. */
export const ABOUT_CHAT: ReadonlySet<string> = new Set(Object.values(WORDS).flatMap(analyze));

const SAID =
  "said|say|suggest(?:ed)?|recommend(?:ed)?|mention(?:ed)?|explain(?:ed)?|gave|given?|told|tell|advised?|proposed?|list(?:ed)?|provided?|described?";

/**
 * Patterns of questions about what the assistant said in the past. "Would you suggest" does not match, because it asks
 * for something new.
 */
const ASKS_FOR_ANSWERS: readonly RegExp[] = [
  new RegExp(`\\b(?:did|had|have) you (?:\\w+ )?(?:${SAID})\\b`, "i"),
  /\byou (?:said|suggested|recommended|mentioned|explained|gave|told|advised|proposed|listed|provided|described)\b/i,
  /\byour (?:suggestions?|recommendations?|advice|answers?|explanations?|response|reply)\b/i,
  /\bhast du (?:\p{L}+ ){0,4}(?:gesagt|vorgeschlagen|empfohlen|erklärt|genannt)/iu,
  /\bdein(?:e|en|em|er)? (?:vorschl[aä]g|empfehlung|antwort|rat\b)/iu,
  /\b(?:me (?:dijiste|sugeriste|recomendaste|explicaste)|tus? (?:sugerencia|recomendaci|respuesta|consejo))/iu,
  /\b(?:as-tu|avez-vous|tu as|vous avez) (?:dit|suggéré|proposé|recommandé|conseillé|expliqué)/iu,
];

export function asksForAnswers(query: string): boolean {
  return ASKS_FOR_ANSWERS.some((pattern) => pattern.test(query));
}
