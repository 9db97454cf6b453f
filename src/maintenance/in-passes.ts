/** An operation that consists of several passes, one after the other, each with its own cursor. */

import { z } from "zod";
import type { OperationRequest } from "../api/operation-run.ts";
import type { Operation } from "./operation.ts";

const placeSchema = z.strictObject({ pass: z.int().min(0), at: z.string().nullable() });

/** @param passesOf must return the same passes for the same request */
export function inPasses(passesOf: (request: OperationRequest) => readonly Operation[]): Operation {
  return {
    async slice(request, cursor, parts, runId) {
      const { pass, at } = cursor === null ? { pass: 0, at: null } : placeSchema.parse(JSON.parse(cursor));
      const passes = passesOf(request);
      const current = passes[pass];
      if (current === undefined) return { cursor: null, counts: {} };
      const slice = await current.slice(request, at, parts, runId);
      const next = slice.cursor === null ? { pass: pass + 1, at: null } : { pass, at: slice.cursor };
      return { ...slice, cursor: next.pass < passes.length ? JSON.stringify(next) : null };
    },
  };
}
