import type { BranchRequest, SessionPatch, SessionState } from "../../api/session.ts";
import { hasUnscheduledMessages, hasUnwantedMessages } from "../archive/index.ts";
import { type Listing, listingOf, scheduleArchive, scheduleListing } from "../outbox/index.ts";
import { takeForUser } from "../quota/index.ts";
import { settingsByUser, settingsOf } from "../sqlite/index.ts";
import { scheduleSummaryIfDue } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { applyTenantSettings } from "./epoch.ts";
import { readState } from "./read.ts";
import { activeBranch, refuseLeavingInstruction, switchBranch } from "./switch-branch.ts";

/** A change of metadata or settings writes as much as a message does, and counts like one. */
const ONE_CHANGE = { messages: 1 };

export interface UpdatedSession {
  readonly state: SessionState;
  readonly epoch: string;
  /** What the list of sessions is to say of it: the object keeps a job for the directory until that is confirmed. */
  readonly listing: Listing;
}

/**
 * Changes metadata and settings for a client.
 * @param isByUser its settings stand beside those of the back end, and may only be tighter
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
 * Makes another branch the active one for a client.
 * @param isByUser it counts like a message, and what is written of the summary like its tokens
 */
export function switchForClient(unit: Unit, request: BranchRequest, isByUser: boolean): SessionState {
  unit.requireSession();
  applyTenantSettings(unit);
  const left = isByUser ? activeBranch(unit) : null;
  const { isChanged, tokens } = switchBranch(unit, request);
  if (isChanged && left !== null) refuseLeavingInstruction(unit, left, "/headSeq");
  if (isByUser) takeForUser(unit, { messages: isChanged ? 1 : 0, tokens });
  return readState(unit);
}
