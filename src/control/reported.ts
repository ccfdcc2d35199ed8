// A member of the table as the requests found it: what the workers reported of it stands in for what a
// worker sees itself, so that the primary's judgement is the data plane's (`eligibility`).

import { type Eligibility, eligibility, type Judged, type ServerState } from '../model.ts';
import type { WorkerFigures } from '../workers.ts';
import type { Member } from './table.ts';

class ReportedServer implements Judged {
  readonly state: ServerState;
  readonly gone = false;
  readonly #upstream: string;
  readonly #figures: readonly WorkerFigures[];

  constructor(upstream: string, state: ServerState, figures: readonly WorkerFigures[]) {
    this.state = state;
    this.#upstream = upstream;
    this.#figures = figures;
  }

  isEjected(): boolean {
    return this.#isReported('ejected');
  }

  isFull(): boolean {
    return this.#isReported('full');
  }

  /** By one worker at least: its clients get it. */
  #isReported(found: Eligibility): boolean {
    const { id } = this.state;
    return this.#figures.some((figure) => figure.server(this.#upstream, id)?.eligibility === found);
  }
}

/**
 * The table's facts, which may be newer than those that the workers have, with what the workers found.
 * Where the workers differ, the worst.
 */
export function memberEligibility(
  upstream: string,
  member: Member,
  figures: readonly WorkerFigures[],
): Eligibility {
  return eligibility(new ReportedServer(upstream, member.state, figures), 0);
}
