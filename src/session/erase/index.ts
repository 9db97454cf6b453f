export { editMessage } from "./edit.ts";
export { beganOf, eraseMessage, eraseSession, isErasurePending, UNKNOWN_MESSAGE } from "./erase.ts";
export { answerFor, eraseCopied } from "./erase-copied.ts";
