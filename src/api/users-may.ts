import { z } from "zod";
import { roleSchema } from "./message.ts";
import { sessionSettingsSchema } from "./session.ts";

const settingNames = Object.keys(sessionSettingsSchema.shape) as [keyof typeof sessionSettingsSchema.shape];

/** What a tenant permits its users and holders of tickets, beyond what every user may do in their own sessions. */
export const usersMaySchema = z
  .strictObject({
    write: z
      .union([z.literal("all"), z.array(roleSchema).min(1).max(roleSchema.options.length)])
      .optional()
      .describe(
        'Roles that users may write and edit in addition to `user`. `assistant` includes reasoning; `tool` includes tool calls and their results. `"all"`: everything that a back end may write. By default none',
      ),
    set: z
      .union([z.literal("all"), z.array(z.enum(settingNames)).min(1).max(settingNames.length)])
      .optional()
      .describe(
        'Settings of a session that users may set to any value; `"all"`: each of them. By default none: users may lower `maxTokens`, `keepRecentTokens`, `summaryMaxTokens`, `summarizerTokensPerDay` and `expireAfterIdleSeconds`, and cannot change the others',
      ),
  })
  .meta({ id: "UsersMay" });
export type UsersMay = z.infer<typeof usersMaySchema>;
