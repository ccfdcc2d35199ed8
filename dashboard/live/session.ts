// Who looks at this page, and what that person may do.

import { computed, signal } from '@preact/signals';
import type { SessionDocument } from '../../src/admin/contract.ts';
import { ApiError, call, csrf } from './api.ts';
import { reconnect, refused } from './stream.ts';

export const session = signal<Omit<SessionDocument, 'csrf'> | undefined>(undefined);
export const mustSignIn = computed(() => session.value?.role === '');
export const mayOperate = computed(() => /operate|release/.test(session.value?.role ?? ''));
export const mayRelease = computed(() => session.value?.role === 'release');

export async function startSession(): Promise<void> {
  refused.subscribe((times) => {
    if (times > 0) void refresh();
  });
  await refresh();
}

/** @throws ApiError */
export async function signIn(token: string): Promise<void> {
  take(await call('openSession', { body: { token } }));
  reconnect();
}

/** @throws ApiError */
export async function signOut(): Promise<void> {
  await call('endSession', {});
  await refresh();
}

async function refresh(): Promise<void> {
  try {
    take(await call('session', {}));
  } catch (error) {
    // Not answered: what is known stays, and the stream says that it is lost.
    if (!(error instanceof ApiError)) throw error;
  }
}

function take({ csrf: word, ...next }: SessionDocument): void {
  csrf.word = word;
  session.value = next;
}
