import type { Tool } from "./tool.ts";
import { appendMessagesTool } from "./tools/append-messages.ts";
import { eraseMessageTool } from "./tools/erase-message.ts";
import { forkSessionTool } from "./tools/fork-session.ts";
import { getContextTool } from "./tools/get-context.ts";
import { listSessionsTool } from "./tools/list-sessions.ts";
import { pinMessageTool } from "./tools/pin-message.ts";
import { readMessagesTool } from "./tools/read-messages.ts";
import { searchMemoryTool } from "./tools/search-memory.ts";
import { summarizeSessionTool } from "./tools/summarize-session.ts";
import { switchBranchTool } from "./tools/switch-branch.ts";

/** The tools, in the order in which an agent needs them. */
export const tools: readonly Tool[] = [
  getContextTool,
  appendMessagesTool,
  searchMemoryTool,
  readMessagesTool,
  listSessionsTool,
  summarizeSessionTool,
  forkSessionTool,
  switchBranchTool,
  pinMessageTool,
  eraseMessageTool,
];
