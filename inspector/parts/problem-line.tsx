import { problem } from "../state/problem.ts";

/** The last error. It is always in the page, because screen readers announce only what changes in it. */
export function ProblemLine() {
  return (
    <div role="alert" class="problem" hidden={problem.value === ""}>
      {problem.value === "" ? null : (
        <>
          <span>{problem.value}</span>
          <button type="button" class="quiet" onClick={() => (problem.value = "")} aria-label="Close">
            ✕
          </button>
        </>
      )}
    </div>
  );
}
