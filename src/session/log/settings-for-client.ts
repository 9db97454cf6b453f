import type { BranchRequest, SessionPatch, SessionState } from "../../api/session.ts";
import { hasUnscheduledMessages, hasUnwantedMessages } from "../archive/index.ts";
import { type Listing, listingOf, scheduleArchive, scheduleListing } from "../outbox/index.ts";
import { takeForUser } from "../quota/index.ts";
import { settingsByUser, settingsOf } from "../sqlite/index.ts";
import { goodThrough, scheduleSummaryIfDue, tokensReadAgain } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { applyTenantSettings } from "./epoch.ts";
import { readState } from "./read.ts";
import { activeBranch, refuseLeavingInstruction, switchBranch } from "./switch-branch.ts";

/** A change of metadata or settings writes as much as a message, so it counts as one for a user's daily limit. */
const ONE_CHANGE = { messages: 1 };

export interface UpdatedSession {
  readonly state: SessionState;
  readonly epoch: string;
  /** What the directory's entry of the session must say. The object keeps a job for it until the directory confirms. */
  readonly listing: Listing;
}

/**
 * Changes metadata and settings for a client.
 * @param isByUser whether a user asks: the settings are stored as the user's, and may only be tighter than the back
 * end's
 * @throws ThreadkeepError if the session cannot be used, `setting_not_allowed`, or a user's daily limit is reached
 */
export function updateForClient(unit: Unit, patch: SessionPatch, isByUser: boolean): UpdatedSession {
  const { store } = unit;
  unit.requireSession();
  applyTenantSettings(unit);
  if (isByUser) takeForUser(unit, ONE_CHANGE);
  const before = unit.session;
  const settings =
    patch.settings === undefined || !isByUser
      ? (patch.settings ?? before.settings)
      : settingsByUser(before.settings, patch.settings, before.tenantSettings);
  store.updateSession(patch.metadata ?? before.metadata, settings);
  if (patch.metadata !== undefined) scheduleListing(unit);
  const isArchivedNews = before.archiveRev > 0 && patch.metadata !== undefined;
  const isFollowed = settingsOf(before).archiveMessages === settingsOf(unit.session).archiveMessages;
  const isLacking = !isFollowed && hasUnscheduledMessages(unit);
  if (isArchivedNews || isLacking || hasUnwantedMessages(unit.session)) scheduleArchive(unit);
  scheduleSummaryIfDue(unit);
  return { state: readState(unit), epoch: unit.session.epoch, listing: listingOf(unit.session) };
}

/**
 * Switches to another branch for a client.
 * @param isByUser whether a user asks: the switch counts as a message for the daily limit, with the tokens of a summary
 * that is written again, and those that models have to read again because no summary of the new branch covers them
 * @throws ThreadkeepError if the session cannot be used or the switch is refused
 */
export function switchForClient(unit: Unit, request: BranchRequest, isByUser: boolean): SessionState {
  unit.requireSession();
  applyTenantSettings(unit);
  const left = isByUser ? activeBranch(unit) : null;
  const goodBefore = isByUser ? goodThrough(unit) : 0;
  const { isChanged, tokens } = switchBranch(unit, request);
  if (isChanged && left !== null) refuseLeavingInstruction(unit, left, "/headSeq");
  if (isByUser) {
    const summarizerTokens = isChanged ? tokensReadAgain(unit, goodBefore) : 0;
    takeForUser(unit, { messages: isChanged ? 1 : 0, tokens, summarizerTokens });
  }
  return readState(unit);
}
