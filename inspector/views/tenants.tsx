/** Tenants, what models cost each of them today, and their keys. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { CreatedKey, KeyState } from "../../src/api/api-key.ts";
import type { Page } from "../../src/api/page.ts";
import type { ListedTenant, TenantState } from "../../src/api/tenant.ts";
import { ask } from "../api.ts";
import { visibleText } from "../parts/visible-text.tsx";
import { attempt, showProblem } from "../state/problem.ts";
import { caller } from "../state/sign-in.ts";
import { ago, dollars, number } from "../text.ts";
import { Card } from "./operations-lists.tsx";
import { Spending } from "./spending.tsx";

const MAX_TENANTS = 100;
const tenantPath = (tenant: string): string => `/v1/admin/tenants/${encodeURIComponent(tenant)}`;

export function Tenants() {
  const tenants = useSignal<readonly string[] | null>(null);
  const opened = useSignal<string | null>(null);
  /** The tenant whose spending is shown; null: the first. */
  const shown = useSignal<string | null>(null);
  async function readTenants(): Promise<void> {
    const { data } = await ask<Page<ListedTenant>>("GET", "/v1/admin/tenants", { query: { limit: MAX_TENANTS } });
    // The deployment's own tenant is listed only once it was created explicitly, but exists from its first message on.
    const own = caller.value?.tenant;
    tenants.value = [...new Set([...(own === undefined ? [] : [own]), ...data.map(({ tenant }) => tenant)])];
  }
  const spender = shown.value ?? tenants.value?.[0] ?? "";
  useEffect(() => {
    readTenants().catch(showProblem);
  }, []);
  return (
    <Card id="tenants-title" title="Tenants, spending and keys">
      {tenants.value === null ? (
        <p class="note">Reading …</p>
      ) : (
        <div class="table-frame" role="region" aria-label="Table of tenants" tabIndex={0}>
          <table class="data">
            <thead>
              <tr>
                <th>Tenant</th>
                <th>Summaries</th>
                <th>Tokens in today</th>
                <th>Tokens out today</th>
                <th>Cost today</th>
                <th>Budget of the day</th>
                <th>Keys</th>
              </tr>
            </thead>
            <tbody>
              {tenants.value.map((tenant) => (
                <TenantRow
                  key={tenant}
                  tenant={tenant}
                  isOpened={opened.value === tenant}
                  onOpen={() => (opened.value = opened.value === tenant ? null : tenant)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {opened.value === null ? null : <Keys key={opened.value} tenant={opened.value} />}
      {tenants.value === null || tenants.value.length === 0 ? null : (
        <>
          {tenants.value.length === 1 ? null : (
            <label>
              Spending of{" "}
              <select value={spender} onChange={({ currentTarget }) => (shown.value = currentTarget.value)}>
                {tenants.value.map((tenant) => (
                  <option key={tenant} value={tenant}>
                    {tenant}
                  </option>
                ))}
              </select>
            </label>
          )}
          <Spending key={spender} tenant={spender} />
        </>
      )}
    </Card>
  );
}

function TenantRow({ tenant, isOpened, onOpen }: { tenant: string; isOpened: boolean; onOpen: () => void }) {
  const state = useSignal<TenantState | null>(null);
  useEffect(() => {
    ask<TenantState>("GET", tenantPath(tenant)).then((found) => (state.value = found), showProblem);
  }, [tenant]);
  async function pause(): Promise<void> {
    const summarization = state.value?.summarization === "on" ? "paused" : "on";
    await attempt(async () => {
      state.value = await ask<TenantState>("PATCH", tenantPath(tenant), { body: { summarization } });
    });
  }
  const found = state.value;
  return (
    <tr>
      <td>
        <b>{tenant}</b>
      </td>
      <td>
        {found?.summarization ?? "…"}{" "}
        <button type="button" class="quiet" disabled={found === null} onClick={() => void pause()}>
          {found?.summarization === "paused" ? "Resume" : "Pause"}
        </button>
      </td>
      <td>{found === null ? "…" : number(found.spentToday.inputTokens)}</td>
      <td>{found === null ? "…" : number(found.spentToday.outputTokens)}</td>
      <td>{found === null ? "…" : dollars(found.spentToday.costMicroDollars)}</td>
      <td>
        {found === null
          ? "…"
          : found.summarizerTokensPerDay === null
            ? "none"
            : `${number(found.summarizerTokensPerDay)} tokens`}
      </td>
      <td>
        <button type="button" class="quiet" aria-expanded={isOpened} onClick={onOpen}>
          {isOpened ? "Hide" : "Show"} keys
        </button>
      </td>
    </tr>
  );
}

function Keys({ tenant }: { tenant: string }) {
  const keys = useSignal<readonly KeyState[] | null>(null);
  const name = useSignal("");
  const made = useSignal<CreatedKey | null>(null);
  const path = `${tenantPath(tenant)}/keys`;
  async function read(): Promise<void> {
    keys.value = (await ask<Page<KeyState>>("GET", path, { query: { limit: 100 } })).data;
  }
  useEffect(() => {
    read().catch(showProblem);
  }, []);
  async function make(): Promise<void> {
    await attempt(async () => {
      made.value = await ask<CreatedKey>("POST", path, { body: { name: name.value } });
      name.value = "";
      await read();
    });
  }
  async function revoke(id: string): Promise<void> {
    await attempt(async () => {
      await ask("DELETE", `${path}/${id}`);
      await read();
    });
  }
  return (
    <section class="keys" aria-label={`Keys of ${tenant}`}>
      <h3>Keys of {tenant}</h3>
      {keys.value === null ? (
        <p class="note">Reading …</p>
      ) : keys.value.length === 0 ? (
        <p class="note">Only the keys of the deployment itself.</p>
      ) : (
        <ul>
          {keys.value.map(({ id, name: called, status, scopes, lastUsedAt }) => (
            <li key={id}>
              <span class={`tag ${status === "live" ? "is-pinned" : ""}`}>{status}</span> <b>{visibleText(called)}</b>{" "}
              <span class="note">
                {scopes.join(", ")} · {lastUsedAt === null ? "never used" : `used ${ago(lastUsedAt)}`}
              </span>
              {status === "live" ? (
                <button type="button" class="quiet" onClick={() => void revoke(id)}>
                  Revoke
                </button>
              ) : null}
            </li>
          ))}
        </ul>
      )}
      {made.value === null ? null : (
        <p role="status">
          The key, shown this once: <code class="made-key">{made.value.key}</code>
        </p>
      )}
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <input
          aria-label="What the new key is for"
          placeholder="What the new key is for"
          required
          maxLength={100}
          value={name.value}
          onInput={({ currentTarget }) => (name.value = currentTarget.value)}
        />
        <button type="submit" class="secondary">
          Make a key
        </button>
      </form>
    </section>
  );
}
