// An action as a line of a shell, with `sluice` and with curl. Names and reasons are anybody's: a shell reads
// them as one word each, whatever is in them.

import { type CallRequest, type EffectQuestion, requestOf } from '../../admin.ts';

const DEFAULT_CONTROL = '127.0.0.1:8700';

export type Asked = EffectQuestion & {
  readonly upstream: string;
  readonly server: string;
  /** Address of the control API; '' = not known. */
  readonly control: string;
};

/** What needs no quotes stays as it is. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function cliLine(asked: Asked): string {
  const { action, upstream, server, weight, keep, reason, control } = asked;
  const isOut = action === 'drain' || action === 'maint';
  const verb = action === 'deregister' ? ['instance', 'leave'] : [action];
  const options = [
    ...(isOut && keep > 0 ? ['--keep', String(keep)] : []),
    ...(isOut && reason !== '' ? [`--message=${reason}`] : []),
    ...(control === '' || control === DEFAULT_CONTROL ? [] : ['--control', control]),
  ];
  const names = [upstream, server, ...(action === 'weight' ? [String(weight)] : [])];
  // What begins with a dash would be taken for an option.
  const isPlain = names.every((name) => !name.startsWith('-'));
  const words = isPlain ? [...names, ...options] : [...options, '--', ...names];
  return ['sluice', ...verb, ...words.map(shellWord)].join(' ');
}

export function curlLine(asked: Asked): string {
  return curlOf(requestFor(asked), asked);
}

export function curlOf(
  { method, path, body = '' }: CallRequest,
  { control, isClosed }: { readonly control: string; readonly isClosed: boolean },
): string {
  const base = control.includes('://') ? control : `http://${control || DEFAULT_CONTROL}`;
  // Colons need no escape in a path, and addresses are read better with them.
  const url = shellWord(`${base}${path.replaceAll('%3A', ':')}`);
  const token = isClosed ? ' -H "authorization: Bearer $SLUICE_TOKEN"' : '';
  return `curl -X ${method}${token} ${url} -d ${shellWord(body)}`;
}

function requestFor({ action, upstream, server, weight, keep, reason, by }: Asked) {
  const place = { upstream, server };
  switch (action) {
    case 'weight':
      return requestOf('setWeight', { ...place, body: { weight } });
    case 'deregister':
      return requestOf('deregister', { ...place, body: { owner: by } });
    case 'undrain':
      return requestOf('setAdmin', { ...place, body: { state: 'ready', owner: by, reason } });
    case 'drain':
    case 'maint': {
      const guard = keep > 0 ? { keepEligible: keep } : {};
      return requestOf('setAdmin', {
        ...place,
        body: { state: action, owner: by, reason, ...guard },
      });
    }
  }
}
