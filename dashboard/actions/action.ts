// An action that changes something: what it would do is asked before, what it needs to be confirmed follows from
// that, and what was done can often be undone.

import { signal } from '@preact/signals';
import type { EffectLevel } from '../../src/admin/contract.ts';
import { textOf } from '../live/api.ts';
import { toast } from '../parts/toast.tsx';
import { actionText } from './text.ts';

/** What the person has written in the dialog. */
export type Given = { readonly reason: string; readonly value: number; readonly text: string };

export type Done = {
  readonly said: string;
  readonly undo?: () => Promise<unknown>;
};

export type Forecast = {
  /** light: done at once; confirm: a button; type: `typed` is typed before. */
  readonly level: EffectLevel;
  /** Why it would be refused, in words; '' = it would be done. */
  readonly refusal: string;
  readonly facts: readonly string[];
  readonly warnings: readonly string[];
  /** Label and line: the same from a shell. */
  readonly lines: readonly (readonly [string, string])[];
  /** Does what was forecast. @throws ApiError */
  readonly run: (given: Given) => Promise<Done>;
};

export type Action = {
  readonly title: string;
  /** On the button. */
  readonly verb: string;
  /** What is typed where that is asked for, such as the name of the upstream. */
  readonly typed: string;
  /** It may be light: then no dialog is opened. */
  readonly isLight?: boolean;
  /** It leaves something broken if it is wrong: a red button. */
  readonly isBad?: boolean;
  readonly hasReason?: boolean;
  /** A whole number that is asked for. */
  readonly number?: {
    readonly label: string;
    readonly initial: number;
    readonly least: number;
    readonly most: number;
  };
  /** A text that is asked for, such as a version. */
  readonly text?: { readonly label: string; readonly hint: string };
  /** Asked again and again while the dialog is open. @throws ApiError */
  readonly forecast: (given: Given) => Promise<Forecast>;
};

/** What the dialog asks about. */
export const asked = signal<Action | undefined>(undefined);

/** Does it at once where that is light, else opens the dialog. */
export async function start(action: Action): Promise<void> {
  if (action.isLight !== true) {
    asked.value = action;
    return;
  }
  try {
    const given = { reason: '', value: 0, text: '' };
    const forecast = await action.forecast(given);
    if (forecast.level !== 'light' || forecast.refusal !== '') asked.value = action;
    else tell(await forecast.run(given));
  } catch (error) {
    toast(textOf(error), { kind: 'bad' });
  }
}

export function tell({ said, undo }: Done): void {
  if (undo === undefined) return toast(said);
  const run = (): void => {
    undo().then(
      () => toast(actionText().undone),
      (error: unknown) => toast(textOf(error), { kind: 'bad' }),
    );
  };
  toast(said, { undo: { label: actionText().undo, run } });
}
