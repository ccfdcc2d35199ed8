// A member of the table with what the workers reported of it. So the primary judges it with the same
// function as a worker does (`eligibility`).

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

  /** True when one worker at least has ejected it, because the clients of that worker meet it. */
  #isReported(found: Eligibility): boolean {
    const { id } = this.state;
    return this.#figures.some((figure) => figure.server(this.#upstream, id)?.eligibility === found);
  }
}

/**
 * The table's facts, which may be newer than those of the workers, with what the workers found. Where
 * the workers differ, the worst counts.
 */
export function memberEligibility(
  upstream: string,
  member: Member,
  figures: readonly WorkerFigures[],
): Eligibility {
  return eligibility(new ReportedServer(upstream, member.state, figures), 0);
}
