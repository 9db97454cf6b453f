import { z } from "zod";

/** A page of a list. Pass `nextCursor` unchanged to get the next page; it is null on the last page. */
export interface Page<T> {
  readonly data: T[];
  readonly hasMore: boolean;
  readonly nextCursor: string | null;
}

export function pageSchema<T extends z.ZodType>(entry: T) {
  return z.object({
    data: z.array(entry),
    hasMore: z.boolean(),
    nextCursor: z.string().nullable(),
  });
}
