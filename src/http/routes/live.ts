import { z } from "zod";
import { ThreadkeepError } from "../../api/errors.ts";
import { clientFrameSchema, revSchema, serverFrameSchema, ticketRequestSchema, ticketSchema } from "../../api/live.ts";
import { safeText } from "../../api/text.ts";
import { issueTicket, openLive } from "../../usecases/live.ts";
import { readSession } from "../../usecases/sessions.ts";
import { EVENT_STREAM_TYPE, eventStreamAnswer } from "../event-stream.ts";
import { integerParameter, sessionParams } from "../parameters.ts";
import { defineRoute, RawAnswer } from "../route.ts";

/** Characters of a ticket, which contains its session and its holder. */
const MAX_TICKET_LENGTH = 2_048;

const live = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/live",
  operationId: "followSession",
  tag: "Live",
  summary: "Follow a session: WebSocket, or server-sent events",
  description:
    "`Upgrade: websocket` opens a WebSocket, `Accept: text/event-stream` opens server-sent events; both have the same events in the same order. The first frame is `hello`, then each event has a `rev` that rises by one. To continue after a reconnect, restart or deploy without missing or repeating an event, connect with the last `rev` in `since` (an event stream may send it as `Last-Event-ID`). `since=0` starts at the first message; without `since` only new events are sent. If the requested events are no longer available, or belong to an earlier session with this id, `hello` has `reset: true`: read the session again and continue from there. An event contains its message as it is now, so erased content is never sent again. On a WebSocket a client can send frames (`LiveClientFrame`): `append`, `context` and `branch` are answered with their `id`; `ack` confirms events up to a `rev`. If more than 256 events or 1 MiB are not acknowledged, the feed pauses; with the next `ack` it continues from the log. The text `ping` is answered with `pong`. Frames count against the sender's rate limits (`rate_limited`), except an `ack` that confirms new events; they are handled in the order in which they arrive. If embeddings are on, the answer to a frame whose context has a `query` waits for the vector of the query, at most 150 ms; answers to later frames may come before it, so match answers by `id`. Its context is of the moment when the frame was handled. A faulty frame is answered with an `error`. The socket is closed with these codes: 1003 for a binary frame; 1008 for ten faulty frames, too many frames in a row, or more than 100 per second; 1009 for a frame over 1 MiB; 4401 if its credentials have expired or are an hour old (connect again with `since`); 4403 for the tenth frame that the sender may not send; 4404 if the session was erased; 4410 if it has expired. A session can have at most 10,100 open connections, event streams included.",
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      since: integerParameter(revSchema).optional().describe("The last rev that you know"),
      ticket: safeText
        .max(MAX_TICKET_LENGTH)
        .optional()
        .describe(
          "Replaces the key, because a browser's WebSocket cannot send an Authorization header. Only this route accepts it",
        ),
    }),
    headers: z.object({
      Upgrade: safeText.optional().describe("`websocket` opens a WebSocket"),
      Accept: safeText.optional().describe("`text/event-stream` opens server-sent events"),
      "Last-Event-ID": integerParameter(revSchema)
        .optional()
        .describe("The last rev that you know, as a reconnecting event stream sends it. Takes precedence over since"),
    }),
  }),
  answers: {
    101: {
      description: "A WebSocket. Each frame is one of these",
      schema: serverFrameSchema,
    },
    200: {
      description: "Events, one JSON object in each `data`, with its `rev` as `id`",
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
    // A missing session is reported before a missing Upgrade header.
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
    "For a browser, whose WebSocket cannot send a key, and which should not have one. A ticket works for one connection to this session, within 60 seconds, on behalf of the user for whom it was requested. It allows reading. If it is requested with `memory:write`, which your own credential must have, it also allows appending what a user may append: messages of the role `user`. Your back end requests the ticket and passes it to the page.",
  request: z.object({ params: sessionParams, body: ticketRequestSchema.default({}) }),
  answers: { 201: { description: "A new ticket", schema: ticketSchema } },
  problems: ["session_not_found", "session_expired", "session_not_ready"],
  async handle(call, { params, body }) {
    return { status: 201, body: await issueTicket(call, params.sessionId, body) };
  },
});

export const liveRoutes = [live, ticket];
