import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkUserId, headerText } from "../../client/src/user-id.ts";
import { decodeHeaderText } from "../../src/access/header-text.ts";
import { ownerName, sessionName, userIdSchema } from "../../src/api/session.ts";

const TAKEN = [
  "ada",
  "auth0|65f1c0ffee",
  "ada@example.com",
  "Jürgen Müller",
  "名前",
  "a/b/-/3",
  "100%25",
  "%",
  "UTF-8''x",
  "👩‍🚀",
  "...",
  "-1",
  "\u00c3\u00a4",
  "x".repeat(256),
];
const REFUSED = [
  "",
  ".",
  "..",
  "-",
  " ada",
  "ada ",
  "a\nb",
  "a\u0000b",
  "a\u202eb",
  "\ud800",
  "\u200b",
  "x".repeat(257),
];

describe("the id of a user", () => {
  it("is any text on one line, from any system", () => {
    for (const id of TAKEN) expect([id, userIdSchema.safeParse(id).success, checkUserId(id)]).toEqual([id, true, id]);
  });

  it("cannot be one that no header or URL can carry, that is invisible, or that stands for the tenant", () => {
    for (const id of REFUSED) expect([id, userIdSchema.safeParse(id).success]).toEqual([id, false]);
  });

  it("passes through a header unchanged, from the client or as bytes of UTF-8", () => {
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...TAKEN), fc.string({ unit: "grapheme", minLength: 1 })), (id) => {
        fc.pre(userIdSchema.safeParse(id).success);
        const header = headerText(id);
        expect(header).toMatch(/^[\u0020-\u007e]*$/);
        expect(decodeHeaderText(header)).toBe(id);
        const bytes = String.fromCharCode(...new TextEncoder().encode(id));
        if (!/^utf-8''/i.test(id)) expect(decodeHeaderText(bytes)).toBe(id);
      }),
    );
  });

  it("names objects that no other owner's names collide with, including shards of a tenant's list", () => {
    const id = fc.oneof(
      fc.constantFrom(...TAKEN, "-", "-/3", "a", "b", "a/b", "a%2Fb"),
      fc.string({ unit: "grapheme" }),
    );
    fc.assert(
      fc.property(id, id, (one, other) => {
        fc.pre(one !== other);
        const names = [one, other].flatMap((owner) => [
          ownerName({ tenant: "t", owner }),
          ...["0", "3", "b"].map((session) => sessionName({ tenant: "t", owner, session })),
        ]);
        expect(new Set(names).size).toBe(names.length);
      }),
    );
  });
});
