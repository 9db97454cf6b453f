import type { Threadkeep } from "../../client/src/index.ts";
import type { SessionSurface } from "./session-surface.ts";

export function clientSurface(threadkeep: Threadkeep): SessionSurface {
  return {
    create: (session) => threadkeep.create(session),
    state: (id) => threadkeep.session(id).state(),
    update: (id, patch) => threadkeep.session(id).update(patch),
    delete: (id) => threadkeep.session(id).delete(),
    fork: (id, request) => threadkeep.session(id).fork(request),
    branch: (id, request) => threadkeep.session(id).branch(request),
    append: (id, { format, messages, ...options }) => {
      const session = threadkeep.session(id);
      return format === undefined
        ? session.append(messages, options)
        : session.append(messages, { ...options, format });
    },
    messages: (id, query) => threadkeep.session(id).messages(query).page(),
    message: (id, messageId) => threadkeep.session(id).message(messageId),
    edit: (id, messageId, patch) => threadkeep.session(id).edit(messageId, patch),
    erase: (id, messageId) => threadkeep.session(id).erase(messageId),
    context: (id, request) => threadkeep.session(id).context(request),
    search: (id, request) => threadkeep.session(id).search(request),
    summarize: (id, request) => threadkeep.session(id).summarize(request),
    summaries: (id, query) => threadkeep.session(id).summaries(query).page(),
    summaryChanges: (id, version, query) => threadkeep.session(id).summaryChanges(version, query),
    losses: (id, version, query) => threadkeep.session(id).losses(version, query).page(),
    restoreSummary: (id, version, request) => threadkeep.session(id).restoreSummary(version, request),
  };
}
