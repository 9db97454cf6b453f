import { describe, expect, it } from "vitest";
import { createCircuitBreaker } from "../../src/provider/circuit-breaker.ts";
import { ProviderError, type ProviderErrorKind } from "../../src/provider/provider-error.ts";

const LIMITS = { failures: 3, restMs: 10_000, maxRestMs: 60_000 };

function bench() {
  const state = { now: 0, calls: 0, fault: null as ProviderError | null, gate: null as Promise<void> | null };
  const breaker = createCircuitBreaker({ name: "the model", now: () => state.now, limits: LIMITS });
  const call = () =>
    breaker.run(async () => {
      state.calls += 1;
      if (state.gate !== null) await state.gate;
      if (state.fault !== null) throw state.fault;
      return "test";
    });
  const outcome = async (): Promise<string> => {
    try {
      return await call();
    } catch (error) {
      return error instanceof ProviderError ? error.kind : "other";
    }
  };
  return { state, outcome, call };
}

function fail(kind: ProviderErrorKind, retryAfterSeconds?: number): ProviderError {
  return new ProviderError(kind, "for the test", { retryAfterSeconds });
}

describe("the circuit breaker of a provider", () => {
  it("stops calls after so many failures in a row, and says when to try again", async () => {
    const { state, outcome, call } = bench();
    state.fault = fail("unreachable");
    for (let attempt = 0; attempt < 3; attempt += 1) expect(await outcome()).toBe("unreachable");
    expect(await outcome()).toBe("circuit_open");
    expect(state.calls).toBe(3);
    state.now += 4_000;
    await expect(call()).rejects.toMatchObject({ kind: "circuit_open", retryAfterSeconds: 6 });
  });

  it("counts only failures in a row: a good answer resets the count", async () => {
    const { state, outcome } = bench();
    for (let round = 0; round < 3; round += 1) {
      state.fault = fail("unreachable");
      for (let attempt = 0; attempt < 2; attempt += 1) expect(await outcome()).toBe("unreachable");
      state.fault = null;
      expect(await outcome()).toBe("test");
    }
  });

  it("lets one call through after the pause, and closes if it succeeds", async () => {
    const { state, outcome } = bench();
    state.fault = fail("timeout");
    for (let attempt = 0; attempt < 3; attempt += 1) await outcome();
    state.now += 10_000;
    let open = (): void => undefined;
    state.gate = new Promise((resolve) => {
      open = resolve;
    });
    state.fault = null;
    const trial = outcome();
    expect(await outcome()).toBe("circuit_open");
    open();
    expect(await trial).toBe("test");
    expect(await outcome()).toBe("test");
    expect(state.calls).toBe(5);
  });

  it("pauses again if that call fails", async () => {
    const { state, outcome } = bench();
    state.fault = fail("refused");
    for (let attempt = 0; attempt < 3; attempt += 1) await outcome();
    state.now += 10_000;
    expect(await outcome()).toBe("refused");
    expect(await outcome()).toBe("circuit_open");
    expect(state.calls).toBe(4);
  });

  it("pauses as long as the provider asks, up to a limit", async () => {
    const { state, outcome } = bench();
    state.fault = fail("rate_limited", 30);
    for (let attempt = 0; attempt < 3; attempt += 1) await outcome();
    state.now += 29_000;
    expect(await outcome()).toBe("circuit_open");
    state.now += 1_000;
    state.fault = fail("rate_limited", 86_400);
    expect(await outcome()).toBe("rate_limited");
    state.now += 60_000;
    expect(await outcome()).toBe("rate_limited");
  });

  it("treats a malformed answer as a sign of life", async () => {
    const { state, outcome } = bench();
    for (const kind of ["unreachable", "unreachable", "invalid_answer", "unreachable", "unreachable"] as const) {
      state.fault = fail(kind);
      expect(await outcome()).toBe(kind);
    }
    expect(state.calls).toBe(5);
  });
});
