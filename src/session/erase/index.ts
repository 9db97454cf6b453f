export { editMessage } from "./edit.ts";
export { eraseMessage, eraseSession, isErasurePending, UNKNOWN_MESSAGE } from "./erase.ts";
export { answerForCopied, eraseWhatWasCopied, loseCopy, readErasure } from "./for-consumer.ts";
export type { ErasureStep } from "./for-consumer.ts";
