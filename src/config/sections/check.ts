// What the two checks of a server share: the upstream's, which never ends, and the release's, after
// an instance was started. Both send the same request, so both get the same answer.

import type { StatusClass } from '../../health.ts';
import { list, record } from './shapes.ts';
import { choice, show, text, wholeNumber } from './values.ts';

const STATUS_CLASSES = ['http_1xx', 'http_2xx', 'http_3xx', 'http_4xx', 'http_5xx'] as const;

/** Fields that the request has already, or that would change how it is framed. */
const OWN_FIELDS: Readonly<Record<string, string>> = {
  host: 'is set by the host key; write host: NAME beside headers',
  connection: 'is always close; remove it',
  'content-length': 'has no meaning in a GET; remove it',
  'transfer-encoding': 'has no meaning in a GET; remove it',
  expect: 'has no meaning in a GET; remove it',
  upgrade: 'has no meaning in a check; remove it',
};

const path = text({
  about: '',
  kind: 'path',
  problemOf: (value) =>
    /^\/[\x21-\x22\x24-\x7e]*$/.test(value)
      ? ''
      : `${show(value)} is not a request path; write one like /ping`,
});

const host = text({
  about: '',
  kind: 'host name',
  problemOf: (value) =>
    /^(?:[\w.-]+|\[[0-9a-f:.]+\]|\{host\}|\{id\})(?::(?:\d{1,5}|\{port\}))?$/i.test(value)
      ? ''
      : `${show(value)} is not a Host; write one like app.example or app.example:8080`,
});

const headers = record('', text({ about: '', kind: 'field value' }));

const expect = list('', choice({ about: '', initial: 'http_2xx', words: STATUS_CLASSES }), 1);

/** The keys as the file has them. */
export type RequestFile = {
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly expect?: readonly StatusClass[] | undefined;
};

/** True when the check asks as the keys of requestShape say, not by a text or a bare connection. */
export function asksByKeys(
  check: RequestFile & { type?: string | undefined; send?: string | undefined },
): boolean {
  const { type, send, path: wanted, host: name, headers: fields } = check;
  return (
    (type === undefined || type === 'http' || type === 'https') &&
    send === undefined &&
    (wanted ?? name ?? fields) !== undefined
  );
}

/** The keys of both checks; `leftOut` says of a default when it holds. */
export function requestShape(leftOut: (initial: string) => string, initialPath: string) {
  return {
    path: path.optional().meta({
      description: `Ask with \`GET path HTTP/1.1\`, and wait for the whole answer. ${leftOut(initialPath)}`,
      'x-value': 'path',
    }),
    host: host.optional().meta({
      description: `Host field of that request, for applications that refuse a foreign one. ${leftOut("`{id}`, the server's `host:port`")}`,
      'x-value': 'host name',
    }),
    port: wholeNumber({
      about: `Port to ask; 0 = the server's own. ${leftOut('0')}`,
      least: 0,
      most: 65_535,
    }).optional(),
    headers: headers.optional().meta({
      description: `Further fields of that request, \`name: value\`. \`{host}\`, \`{port}\`, \`{id}\` are filled in; a value \`env:NAME\` or \`file:/path\` is read. ${leftOut('none')}`,
    }),
    expect: expect.optional().meta({
      description: `Status classes that count as alive. ${leftOut('`[http_2xx, http_3xx]`')}`,
    }),
  };
}

/** '' for the name of a field that the request may carry. */
export function fieldNameProblem(name: string): string {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return 'is not a field name; write one like x-probe';
  return OWN_FIELDS[name.toLowerCase()] ?? '';
}
