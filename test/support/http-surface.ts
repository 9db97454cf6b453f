import type { ProvidedService } from "./provided.ts";
import { call } from "./service.ts";
import type { SessionSurface } from "./session-surface.ts";

/** The routes, called with plain `fetch`. */
export function httpSurface(service: Pick<ProvidedService, "url" | "apiKey">): SessionSurface {
  async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await call<T>(service, method, `/v1/sessions${path}`, body === undefined ? {} : { body });
    if (answer.status >= 400) throw Object.assign(new Error(answer.text), answer.body);
    return answer.body;
  }
  const queryOf = (query: Record<string, number | string>): string =>
    Object.entries(query)
      .map(([name, value]) => `${name}=${value}`)
      .join("&");
  return {
    create: (session) => ask("POST", "", session),
    state: (id) => ask("GET", `/${id}`),
    update: (id, patch) => ask("PATCH", `/${id}`, patch),
    delete: (id) => ask("DELETE", `/${id}`),
    fork: (id, request) => ask("POST", `/${id}/fork`, request),
    branch: (id, request) => ask("PUT", `/${id}/branch`, request),
    append: (id, body) => ask("POST", `/${id}/messages`, body),
    messages: (id, query) => ask("GET", `/${id}/messages?${queryOf(query)}`),
    message: (id, messageId) => ask("GET", `/${id}/messages/${messageId}`),
    edit: (id, messageId, patch) => ask("PATCH", `/${id}/messages/${messageId}`, patch),
    erase: (id, messageId) => ask("DELETE", `/${id}/messages/${messageId}`),
    context: (id, request) => ask("POST", `/${id}/context`, request),
    search: (id, request) => ask("POST", `/${id}/search`, request),
    summarize: (id, request) => ask("POST", `/${id}/summarize`, request),
    summaries: (id, query) => ask("GET", `/${id}/summaries?${queryOf(query)}`),
    summaryChanges: (id, version, query) => ask("GET", `/${id}/summaries/${version}/diff?${queryOf(query)}`),
    losses: (id, version, query) => ask("GET", `/${id}/summaries/${version}/losses?${queryOf(query)}`),
    restoreSummary: (id, version, request) => ask("POST", `/${id}/summaries/${version}/restore`, request),
  };
}
