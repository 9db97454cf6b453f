/**
 * A wish about how to answer, valid from then on. With a subject such as "I" it is a habit instead: "I never use my
 * last name".
 */
const STANDING_WISH =
  /(?<!\b(?:i|we|they|he|she|it|who|you|people)(?:'ll|'d| will| would| should)? )\b(?:always|never)\s+(?:answer|reply|respond|write|speak|use|call|mention|address|say|send|show|include|add|ask|translate|sign|start|end|suggest|recommend|make|give|tell)\b|\bfrom now on\b|\b(?:answer|reply|respond|write|speak) (?:to )?me (?:only )?in [A-Za-z]+\b/i;

/** @param text with straight apostrophes */
export function isStandingWish(text: string): boolean {
  return STANDING_WISH.test(text);
}
