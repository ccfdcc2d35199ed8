// How many of all, as a bar of one piece per state.

import type { Eligibility } from '../../src/model.ts';
import { common } from '../text.ts';
import { STATES, wordOf } from './state-mark.tsx';

export function StateBar({
  counts,
}: {
  readonly counts: Readonly<Partial<Record<Eligibility, number>>>;
}) {
  const shown = STATES.filter((state) => (counts[state] ?? 0) > 0);
  const label =
    shown.map((state) => `${counts[state]} ${wordOf(state)}`).join(', ') || common().none;
  return (
    <span class="bar" role="img" aria-label={label} title={label}>
      {shown.map((state) => (
        <span key={state} class={`bar-part state-${state}`} style={{ flexGrow: counts[state] }} />
      ))}
    </span>
  );
}
