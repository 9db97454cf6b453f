import { z } from "zod";
import { ThreadkeepError } from "../../api/errors.ts";
import { clientFrameSchema, revSchema, serverFrameSchema, ticketRequestSchema, ticketSchema } from "../../api/live.ts";
import { safeText } from "../../api/text.ts";
import { issueTicket, openLive } from "../../usecases/live.ts";
import { readSession } from "../../usecases/sessions.ts";
import { EVENT_STREAM_TYPE, eventStreamAnswer } from "../event-stream.ts";
import { integerParameter, sessionParams } from "../parameters.ts";
import { defineRoute, RawAnswer } from "../route.ts";

/** A signed ticket names its session and who holds it. */
const MAX_TICKET_LENGTH = 2_048;

const live = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/live",
  operationId: "followSession",
  tag: "Live",
  summary: "Follow a session: WebSocket, or server-sent events",
  description:
    "With `Upgrade: websocket` a WebSocket, with `Accept: text/event-stream` server-sent events; the same events in the same order. First comes `hello`, then each event with a `rev` that rises by one. Connect with the last `rev` in `since` (an event stream may send it as `Last-Event-ID`), and nothing is missed or repeated, through reconnects, restarts and deploys; `since=0` begins at the first message, and without it the feed begins now. What is too old, or of an earlier session of this id, is answered with `reset: true`: read the session anew and go on from there. An event tells what its message says now, so what was erased does not come back. On a WebSocket a client sends frames (`LiveClientFrame`): `append` and `context` are answered with their `id`, and `ack` says up to which `rev` it has taken events in; past 256 events or 1 MiB that are not acknowledged the feed pauses, and it goes on from the log with the next `ack`. The text `ping` is answered `pong`. Frames count with the requests of whoever sends them (`rate_limited`), but for an `ack` that says something new; they are served in the order in which they come. A faulty frame is answered with an `error`; the socket is closed with 1003 for binary frames, 1008 for ten faulty ones or ones too many in a row or more than 100 a second, 1009 for one over 1 MiB, 4401 when its credentials are good no more or an hour old (connect again with `since`), 4403 for the tenth frame that its sender may not send, 4404 when the session is erased and 4410 when it has expired. A session has at most 100 open sockets, event streams included.",
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      since: integerParameter(revSchema).optional().describe("The last rev that you know"),
      ticket: safeText
        .max(MAX_TICKET_LENGTH)
        .optional()
        .describe("Instead of a key: a browser's WebSocket can send no header. This route alone takes it."),
    }),
    headers: z.object({
      Upgrade: safeText.optional().describe("`websocket` for a WebSocket"),
      Accept: safeText.optional().describe("`text/event-stream` for server-sent events"),
      "Last-Event-ID": integerParameter(revSchema)
        .optional()
        .describe("The last rev that you know, as an event stream that reconnects sends it. Comes before since."),
    }),
  }),
  answers: {
    101: {
      description: "A WebSocket. What comes on it",
      schema: serverFrameSchema,
    },
    200: {
      description: "Events, one JSON object in each `data`, its `rev` as `id`",
      schema: serverFrameSchema,
      mediaType: EVENT_STREAM_TYPE,
    },
  },
  alsoDescribes: [clientFrameSchema],
  problems: ["session_not_found", "session_expired", "session_not_ready", "upgrade_required", "too_many_sockets"],
  async handle(call, { params, query, headers }, _lines, isHead) {
    const { sessionId } = params;
    const since = headers["Last-Event-ID"] ?? query.since;
    // Only a GET may ask for a WebSocket (RFC 6455, section 4.1).
    if (!isHead && headers.Upgrade?.toLowerCase() === "websocket") {
      const webSocket = await openLive(call, sessionId, since);
      return { status: 101, body: new RawAnswer(new Response(null, { status: 101, webSocket })) };
    }
    const isStream = headers.Accept?.toLowerCase().includes(EVENT_STREAM_TYPE) === true;
    if (isStream && !isHead) {
      return { status: 200, body: new RawAnswer(eventStreamAnswer(await openLive(call, sessionId, since))) };
    }
    // Whether there is such a session comes before how it can be followed.
    await readSession(call, sessionId);
    if (isStream) {
      return {
        status: 200,
        body: new RawAnswer(new Response(null, { headers: { "Content-Type": EVENT_STREAM_TYPE } })),
      };
    }
    throw new ThreadkeepError({
      code: "upgrade_required",
      detail: `Open a WebSocket here, or send the header Accept: ${EVENT_STREAM_TYPE}.`,
    });
  },
});

const ticket = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/tickets",
  operationId: "issueTicket",
  tag: "Live",
  summary: "Issue a ticket for the live feed",
  description:
    "For a browser, which can send no key with a WebSocket, and should have none. A ticket is good for one connection to this session within 60 seconds, for whom you speak for. It reads; asked for with `memory:write` it appends as well, no more than you may do, and no more than a user may, whoever you are: messages of the role `user`. Your back end asks for it and hands it to the page.",
  request: z.object({ params: sessionParams, body: ticketRequestSchema.default({}) }),
  answers: { 201: { description: "A new ticket", schema: ticketSchema } },
  problems: ["session_not_found", "session_expired", "session_not_ready"],
  async handle(call, { params, body }) {
    return { status: 201, body: await issueTicket(call, params.sessionId, body) };
  },
});

export const liveRoutes = [live, ticket];
