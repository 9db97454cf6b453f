/** Examples: the live feed of the chat. */

import type { ClientFrame, Hello, LiveEvent, Ticket, TicketRequest } from "../../../src/api/live.ts";
import { messageSamples } from "./messages.ts";

const { message } = messageSamples;

const liveHello: Hello = { type: "hello", headSeq: 62, rev: 28_085_400_000_064, since: 28_085_400_000_063 };

const liveEvent: LiveEvent = { type: "appended", rev: 28_085_400_000_064, message };

const liveFrame: ClientFrame = {
  type: "append",
  id: "frame-7",
  messages: [{ id: "turn-62", role: "assistant", content: "Yes: it left today and arrives on Thursday." }],
};

const ticketRequest: TicketRequest = { scopes: ["memory:read"] };

const ticket: Ticket = { ticket: "eyJpZCI6IjU4.d2hvIGhvbGRz", expiresAt: "2026-11-22T09:59:03.112Z" };

export const liveSamples = { liveHello, liveEvent, liveFrame, ticketRequest, ticket };
