import { describe, expect, it } from "vitest";
import { type Fault, PROBLEMS, ThreadkeepError, problemSchema } from "../../src/api/errors.ts";
import { faultOf } from "../../src/api/problem.ts";
import { problemAnswer } from "../../src/http/problems.ts";

async function read(fault: Fault): Promise<{ answer: Response; problem: unknown }> {
  const answer = problemAnswer(fault, "req-1");
  return { answer, problem: await answer.json() };
}

describe("the problem for an error", () => {
  it.each(problemSchema.shape.code.options)("is a problem document for %s", async (code) => {
    const { answer, problem } = await read({ code, detail: "Do this." });
    expect(answer.status).toBe(PROBLEMS[code].status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(problemSchema.parse(problem)).toMatchObject({ code, detail: "Do this.", requestId: "req-1" });
  });

  it("contains the facts, but none that replaces a standard member", async () => {
    const { problem } = await read({
      code: "head_seq_mismatch",
      detail: "Read on.",
      facts: { headSeq: 7, status: 200, requestId: "forged" },
    });
    expect(problem).toMatchObject({ headSeq: 7, status: 409, requestId: "req-1" });
  });

  it("says when to retry, and how to authenticate", async () => {
    const busy = await read({ code: "unavailable", detail: "Wait.", retryAfterSeconds: 1.2 });
    expect(busy.answer.headers.get("retry-after")).toBe("2");
    const stranger = await read({ code: "unauthenticated", detail: "Send a key." });
    expect(stranger.answer.headers.get("www-authenticate")).toMatch(/^Bearer /);
  });

  it("is that of a fault that was thrown on purpose", () => {
    const fault: Fault = { code: "session_not_found", detail: "Append to create it." };
    expect(faultOf(new ThreadkeepError(fault))).toBe(fault);
  });

  it.each(["overloaded", "retryable", "durableObjectReset"])("is 503 for an object's error that is %s", (flag) => {
    const fault = faultOf(Object.assign(new Error("broken"), { [flag]: true }));
    expect(fault.code).toBe("unavailable");
    expect(fault.retryAfterSeconds).toBeGreaterThan(0);
  });

  it.each([new Error("password is hunter2"), new TypeError("x"), "text", null, undefined, { overloaded: "yes" }])(
    "is internal for anything else, and says nothing about it (%s)",
    (thrown) => {
      const fault = faultOf(thrown);
      expect(fault.code).toBe("internal");
      expect(JSON.stringify(fault)).not.toContain("hunter2");
    },
  );
});
