// A value where a map belongs: the map to write, with the value in its place where that can be
// known. By place, as in foreign-words.ts.

import { parseAddress, parseDuration } from '../../base/units.ts';
import { kindAdvice, registryAdvice } from '../sections/registry.ts';

const OFF = /^(off|no|none|false|disabled?)$/i;
const ON = /^(on|yes|true|enabled?|http|https?chk)$/i;

/** Keys of an upstream or a service; as names they are a matter of indentation. */
const MISPLACED = /^(servers|check|balance|slow_start|instances|start|env|drain|guard)$/;

/** One that may stand in an advice: a short word, never a whole line. */
const WORD = /^[\w./:[\]-]{1,40}$/;

/** `write check: { path: /ping }`; undefined when nothing better than the general words is known. */
export function mapAdvice(place: string, key: string, value: unknown): string | undefined {
  const single: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
  const word = ['string', 'number', 'boolean'].includes(typeof single) ? String(single) : '';
  const write = (inside: string): string => `write ${key}: { ${inside} }`;
  const addresses = addressesOf(value);
  const first = addresses[0] ?? '';
  const shown = WORD.test(word) ? word : '';
  const servers = addresses.length === 0 ? '[127.0.0.1:9001]' : `[${addresses.join(', ')}]`;
  if (value === null) return 'write a value, or remove the key';
  if (/^(upstreams|services)\.<name>$/.test(place) && MISPLACED.test(key)) {
    return `it stands where a name belongs; indent it, below the name of its ${place.startsWith('u') ? 'upstream' : 'service'}`;
  }
  const kind = /^(?:registry|registries\.<name>)\.(\w+)$/.exec(place)?.[1];
  if (kind !== undefined) return kindAdvice(kind, shown, first);
  switch (place) {
    case 'listen':
      return 'write listen: 127.0.0.1:8080, listen: [127.0.0.1:8080, "[::1]:8080"], or listen: [{ address: 0.0.0.0:443, tls: … }]';
    case 'listen[].tls':
    case 'listen[].tls.certificates':
    case 'listen[].tls.certificates[]':
      return 'write tls: { certificates: [{ cert: cert.pem, key: key.pem }] }';
    case 'upstreams.<name>.servers':
    case 'upstreams.<name>.servers[]':
      return 'write servers: [127.0.0.1:9001, { address: 127.0.0.1:9002, weight: 2 }]';
    case 'upstreams.<name>.check.headers':
    case 'services.<name>.check.headers':
      return write('x-probe: "yes"');
    case 'services.<name>.notify':
    case 'services.<name>.notify[]':
      return 'write notify: [{ dingtalk: env:DINGTALK_URL, on: [failed, succeeded] }]';
    case 'services.<name>.instances':
      return 'write instances: [127.0.0.1:9001, 127.0.0.1:9002]';
    case 'services.<name>.start':
      return 'write start: [node, app.js, "{port}"]';
    case 'registry':
    case 'registries.<name>':
      return registryAdvice(key, shown, first);
    case 'registries':
      return write('east: { consul: { addresses: 127.0.0.1:8500 } }');
    case 'admin':
      if (OFF.test(word))
        return 'it cannot be switched off; leave it out, and it listens on loopback alone';
      return write(`listen: ${first || '127.0.0.1:8700'}`);
    case 'upstreams':
      return write(
        `${first === '' && WORD.test(word) && /^[a-z]/i.test(word) ? word : 'app'}: { servers: ${servers} }`,
      );
    case 'upstreams.<name>':
      return write(`servers: ${servers}`);
    case 'upstreams.<name>.sticky':
      if (OFF.test(word)) return 'leave it out, and clients are not kept at a server';
      return ON.test(word) || !/^[\w-]{1,40}$/.test(word)
        ? 'write sticky: {}, or sticky: { cookie: sluice }'
        : write(`cookie: ${word}`);
    case 'upstreams.<name>.check':
    case 'services.<name>.check':
      return checkAdvice(place, word, write);
    case 'services.<name>.drain':
      return write(`timeout: ${parseDuration(word) === undefined ? '30s' : word}`);
    case 'services.<name>.guard':
      return write(`min_healthy: ${/^\d{1,4}$/.test(word) ? word : '1'}`);
    case 'services.<name>.expect_version':
      return write(`header: ${/^[\w-]{1,40}$/.test(word) ? word : 'x-app-version'}`);
    case 'services':
      return write('app: { instances: [127.0.0.1:9001], start: [node, app.js] }');
    case 'services.<name>':
      return write('instances: [127.0.0.1:9001], start: [node, app.js]');
    case 'services.<name>.env':
      return write('NAME: value');
    case 'routes':
    case 'routes[]':
      return `write routes: [{ path: ${/^\/[\w./-]{0,40}$/.test(word) ? word : '/'}, upstream: ${/^[a-z][\w.-]{0,40}$/i.test(word) ? word : 'app'} }]`;
    case 'limits':
      return `write keys under it, like limits: { client_max_body_size: 10m }`;
    case 'timeouts':
      return write(`response_timeout: ${parseDuration(word) === undefined ? '60s' : word}`);
    case 'proxy':
      return 'write keys under it, like proxy: { tries: 2 }';
    default:
      return undefined;
  }
}

function checkAdvice(place: string, word: string, write: (inside: string) => string): string {
  if (OFF.test(word)) {
    return place.startsWith('services')
      ? 'a release does not go on without a check; leave it out for GET /ping'
      : 'leave it out, and the servers are not probed';
  }
  if (word === 'tcp')
    return place.startsWith('services') ? write('path: /ping') : write('type: tcp');
  if (word.startsWith('/') && WORD.test(word)) return write(`path: ${word}`);
  if (ON.test(word) || parseDuration(word) === undefined) return write('path: /ping');
  return write(`path: /ping, interval: ${word}`);
}

/** The addresses in a text or a list, if they are nothing but that. */
function addressesOf(value: unknown): string[] {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  const found = items.filter(
    (item): item is string =>
      typeof item === 'string' && item.length <= 60 && parseAddress(item) !== undefined,
  );
  return found.length === items.length ? found.slice(0, 3) : [];
}
