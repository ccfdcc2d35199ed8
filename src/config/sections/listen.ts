// The schema of `listen`: where clients come in, whether by TLS, and what becomes of those that do not.

import { z } from 'zod';
import { minVersion } from './client-tls.ts';
import { isSingle, list, pathProblem, section } from './shapes.ts';
import {
  choiceOf,
  listenAddress,
  onOff,
  optionalChoice,
  show,
  text,
  wholeNumber,
} from './values.ts';

const pem = (about: string) =>
  text({
    about: `${about} PEM; a path, relative to this file.`,
    kind: 'path',
    problemOf: (value) => pathProblem(value, 'a path'),
  });

const certificate = section('A certificate.', {
  cert: pem('The certificate, and behind it those between it and its authority.'),
  key: pem('Its key.'),
});

const HSTS = /^max-age=\d{1,10}(; ?includeSubDomains)?(; ?preload)?$/;

const tls = section(
  'HTTPS. The files are read again when they change, and by a reload; new connections use what was read.',
  {
    certificates: list(
      'Each is for the DNS names in it. A client gets that of the name it asks for, one of a wildcard where no other has it, and the first where it names nothing known. Two with the same names, of EC and of RSA, are used by what the client can.',
      certificate,
      1,
    ),
    min_version: minVersion,
    unknown_names: choiceOf({
      about: 'A client that asks for a name which no certificate is for:',
      initial: 'default',
      meanings: {
        default: 'gets the first certificate, as with nginx',
        refuse: 'is turned away (`unrecognized_name`); one that names nothing gets the first',
      },
    }),
    client_ca: pem(
      'Authorities of clients: they are asked for a certificate of theirs.',
    ).optional(),
    client_certificate: optionalChoice({
      about:
        'With `client_ca`: whether a client without a certificate gets in. One whose certificate is of another authority, or is over, never does. Default: `required`.',
      words: ['required', 'optional'],
    }),
    pass_client_certificate: onOff({
      about:
        "Servers hear of the client's certificate in `X-Client-Cert-Subject` and `X-Client-Cert-Fingerprint` (SHA-256). Such fields of clients are taken out on every listener, where one listener passes them.",
      initial: 'off',
    }),
    hsts: text({
      about:
        'Value of `Strict-Transport-Security` in every answer, like `max-age=31536000; includeSubDomains`; where a server sends its own, that one stands first and counts. Browsers keep to it for that long: begin with a short time.',
      kind: 'text',
      problemOf: (value) =>
        HSTS.test(value)
          ? ''
          : `${show(value)} is no such value; write "max-age=SECONDS", with "; includeSubDomains" where all below the name speak TLS, too`,
    }).optional(),
  },
);

export const listenerSchema = z
  .preprocess(
    // The type is that of the short form, for configurations in TypeScript; it may be anything.
    (value: string) => (isSingle(value) ? { address: value } : value),
    section('A listener.', {
      address: listenAddress('Where it listens.'),
      tls: tls.optional(),
      redirect_to_https: onOff({
        about:
          'Every request is sent on to `https://` with the same host and path: 301 for GET and HEAD, 308 for others. Paths under `/.well-known/acme-challenge/` are served.',
        initial: 'off',
      }),
      https_port: wholeNumber({
        about:
          'The port that `redirect_to_https` sends to, as clients see it. Default: that of the first listener with `tls`, else 443.',
        least: 1,
        most: 65_535,
      }).optional(),
    }),
  )
  .meta({ description: 'A listener: `host:port`, or a map.', 'x-short': 'string' });

export type ListenerFile = z.output<typeof listenerSchema>;
