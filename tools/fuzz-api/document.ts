// The parts of the OpenAPI document that the fuzzer reads.
import type * as Written from "../../scripts/openapi/document-types.ts";

export type { JsonSchema } from "../../scripts/openapi/document-types.ts";

export type Parameter = Pick<Written.Parameter, "name" | "in" | "schema"> & Partial<Written.Parameter>;

export interface Operation extends Pick<Written.Operation, "operationId" | "security"> {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Pick<NonNullable<Written.Operation["requestBody"]>, "content">;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Pick<Written.OpenApiDocument["components"], "schemas">;
}
