/** Examples: the export and the erasure of a user. */

import type { UserErasure, UserTransferLine } from "../../../src/api/user.ts";

const userLine: UserTransferLine = {
  type: "user",
  format: "threadkeep-user",
  formatVersion: 1,
  userId: "ada",
  exportedAt: "2026-11-22T10:05:00.000Z",
};

const userErasure: UserErasure = {
  userId: "ada",
  state: "erasing",
  sessions: 12,
  erased: 0,
  startedAt: "2026-11-22T10:06:00.000Z",
};

const doneUserErasure: UserErasure = {
  ...userErasure,
  state: "erased",
  erased: 12,
  finishedAt: "2026-11-22T10:06:21.412Z",
  returnsAt: "2026-11-26T10:06:21.412Z",
  found: { checkedAt: "2026-11-22T10:06:21.412Z", sessions: 0, directory: 0, archive: 0, failedJobs: 0 },
};

export const userSamples = { userLine, userErasure, doneUserErasure };
