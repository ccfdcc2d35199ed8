// The buttons of a server, with why they cannot be pressed where that is so.

import { useId } from 'preact/hooks';
import type { EffectAction } from '../../src/admin/contract.ts';
import type { AdminState } from '../../src/model.ts';
import { mayOperate, session } from '../live/session.ts';
import { start } from './action.ts';
import { type ServerNow, serverAction } from './server.ts';
import { actionText } from './text.ts';

export function ServerButton({
  action,
  now,
  describedBy,
}: {
  readonly action: EffectAction;
  readonly now: ServerNow;
  readonly describedBy?: string;
}) {
  const text = actionText();
  const verb = text.verbs[action];
  const isFree = mayOperate.value;
  return (
    <button
      type="button"
      class={`small-button ${action === 'deregister' ? 'button-bad' : ''}`}
      aria-label={`${verb} ${now.server}`}
      aria-describedby={describedBy}
      title={isFree ? undefined : text.readOnly(session.value?.role ?? '')}
      disabled={!isFree}
      onClick={() => void start(serverAction(action, now))}
    >
      {verb}
      {action === 'undrain' ? '' : '…'}
    </button>
  );
}

export function ServerButtons({
  state,
  isRecord,
  now,
}: {
  readonly state: AdminState;
  /** There is a record to change. */
  readonly isRecord: boolean;
  readonly now: ServerNow;
}) {
  const id = useId();
  const actions: readonly EffectAction[] = [
    state === 'ready' ? 'drain' : 'undrain',
    ...(state === 'maint' ? [] : (['maint'] as const)),
    ...(isRecord ? (['weight', 'deregister'] as const) : []),
  ];
  return (
    <div class="actions">
      {actions.map((action) => (
        <ServerButton key={action} action={action} now={now} describedBy={id} />
      ))}
      <p id={id} class="muted">
        {mayOperate.value ? '' : actionText().readOnly(session.value?.role ?? '')}
      </p>
    </div>
  );
}
