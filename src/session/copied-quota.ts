import type { Seq } from "../contracts/message.ts";
import type { SessionLimits } from "../contracts/quota.ts";
import type { Share } from "../registry/lease-client.ts";
import { boundsOf, type Leases } from "./leases.ts";
import { copiedQuotaFault } from "./quota.ts";
import { Refusal, type SessionShell } from "./session-shell.ts";

/** Where an import or a fork stands with its tenant's quota of the day. */
export interface CopiedCover {
  /** Called in the transaction that takes the messages, and throws the refusal. */
  check(throughSeq?: Seq): void;
  /** Called once it has committed. */
  spend(): void;
}

const NOTHING: Share = { messages: 0, tokens: 0 };
const UNBOUNDED: CopiedCover = { check: () => undefined, spend: () => undefined };

/** Counts messages that come all at once, by an import or a fork, for all sessions of the tenant together. */
export class CopiedQuota {
  readonly #shell: SessionShell;
  readonly #leases: Leases;

  constructor(shell: SessionShell, leases: Leases) {
    this.#shell = shell;
    this.#leases = leases;
  }

  /** Leases what the messages of this session take, up to one of them or all. Never rejects. */
  async cover(limits: SessionLimits | undefined, throughSeq?: Seq): Promise<CopiedCover> {
    const session = this.#shell.existing();
    const bounds = session === null ? null : boundsOf(session.tenant, limits);
    if (bounds === null) return UNBOUNDED;
    const cover = await this.#leases.coverCopied(bounds, this.#shareThrough(throughSeq));
    let taken: Share | null = null;
    return {
      check: (through) => {
        const share = this.#shareThrough(through);
        const fault = copiedQuotaFault(bounds.limits, share, Date.now()) ?? cover.faultOf(share);
        if (fault !== null) throw new Refusal(fault);
        taken = share;
      },
      spend: () => {
        if (taken !== null) cover.spend(taken);
      },
    };
  }

  /** Refuses what no day would have room for, so that it is not read to its end. */
  checkSize(limits: SessionLimits | undefined): void {
    const fault = limits === undefined ? null : copiedQuotaFault(limits, this.#shareThrough(), Date.now());
    if (fault !== null) throw new Refusal(fault);
  }

  #shareThrough(throughSeq?: Seq): Share {
    const { messages } = this.#shell.store;
    const head = this.#shell.existing() === null ? null : messages.head();
    if (head === null) return NOTHING;
    if (throughSeq !== undefined && throughSeq > head.seq) return NOTHING;
    if (throughSeq === undefined) return { messages: head.seq, tokens: head.totalCost };
    return { messages: throughSeq, tokens: messages.totalCostAt(throughSeq) };
  }
}
