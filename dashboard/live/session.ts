// Who looks at this page, and what that person may do.

import { computed, signal } from '@preact/signals';
import { ApiError, csrf } from './api.ts';
import { reconnect, refused } from './stream.ts';

export type Session = {
  /** The gateway asks for a token. */
  readonly required: boolean;
  /** Of the token; '' = nobody, or nobody is asked. */
  readonly name: string;
  /** '' = nothing at all. */
  readonly role: '' | 'read' | 'operate' | 'release';
};

export const session = signal<Session | undefined>(undefined);
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
  await ask('/api/session', { token });
  reconnect();
}

export async function signOut(): Promise<void> {
  await ask('/api/session/end', {});
}

async function refresh(): Promise<void> {
  try {
    await ask('/api/session');
  } catch (error) {
    // Not answered: what is known stays, and the stream says that it is lost.
    if (!(error instanceof ApiError)) throw error;
  }
}

async function ask(path: string, body?: object): Promise<void> {
  const response = await fetch(path, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'x-sluice-csrf': csrf.word },
  }).catch((cause: unknown) => {
    throw new ApiError('unreachable', String(cause));
  });
  if (response.status === 404) {
    session.value = { required: false, name: '', role: 'release' };
    return;
  }
  const { error, csrf: word = '', ...next } = await response.json();
  if (error !== undefined) throw new ApiError(error.code, error.message);
  csrf.word = word;
  session.value = next;
}
