export {
  answerFor,
  beganOf,
  editMessage,
  eraseCopied,
  eraseMessage,
  eraseSession,
  isErasurePending,
  UNKNOWN_MESSAGE,
} from "./erase.ts";
