export {
  answerFor,
  beganOf,
  editMessage,
  eraseCopied,
  eraseMessage,
  eraseSession,
  isErasureOwed,
  UNKNOWN_MESSAGE,
} from "./erase.ts";
