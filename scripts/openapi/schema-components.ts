import { z } from "zod";
import type { JsonSchema } from "./document-types.ts";

/** Converts Zod schemas to JSON Schema. Schemas with an id become components of the document and are referred to. */
export class SchemaComponents {
  readonly #schemas: Record<string, JsonSchema> = {};
  readonly #converted = new Map<z.core.$ZodType, JsonSchema>();

  of(schema: z.ZodType): JsonSchema {
    const known = this.#converted.get(schema);
    if (known !== undefined) return known;
    const converted = this.#convert(schema, "input");
    this.#converted.set(schema, converted);
    return converted;
  }

  /** The schema of a parameter's value. In the request it is text; the document describes what the text stands for. */
  ofParameter(schema: z.core.$ZodType): JsonSchema {
    return this.#convert(schema, "output");
  }

  all(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries(Object.entries(this.#schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #convert(schema: z.core.$ZodType, io: "input" | "output"): JsonSchema {
    const converted = z.toJSONSchema(schema, {
      io,
      // Only `safeJson` has no JSON Schema. It stands for any JSON value.
      unrepresentable: "any",
      override: ({ jsonSchema }) => tidy(jsonSchema),
    });
    const { $schema: _dialect, $defs = {}, ...root } = pointToComponents(converted);
    Object.assign(this.#schemas, $defs);
    return root;
  }
}

/** Removes keywords that tell a reader nothing. */
function tidy(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.format === "date-time") delete schema.pattern;
  delete schema.propertyNames;
}

type Converted = JsonSchema & {
  readonly $schema?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
};

function pointToComponents(schema: z.core.JSONSchema.BaseSchema): Converted {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
