export { LiveFeed } from "./feed.ts";
export type { LiveEnv } from "./feed.ts";
export { readOpened, writeOpening } from "./opening.ts";
