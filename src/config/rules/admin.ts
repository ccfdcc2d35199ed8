// The rules of the section `admin`: secrets that can be read, and an API that other machines reach only
// with something that keeps strangers out.

import { type Environment, readSecret } from '../../base/secrets.ts';
import { formatAddress, isLoopback } from '../../base/units.ts';
import type { AdminFile } from '../sections/admin.ts';
import { nameProblem } from '../sections/shapes.ts';
import type { Findings, Part } from './upstreams.ts';

export function checkAdmin(
  { value }: Part<AdminFile>,
  environment: Environment,
  findings: Findings,
): void {
  if (value === undefined) return;
  const seen = new Map<string, string>();
  const look = (path: readonly string[], text: string | undefined): void => {
    const secret = readSecret(text, environment);
    if ('problem' in secret) findings.problem(path, secret.problem);
    else if (secret.value !== '') {
      const other = seen.get(secret.value);
      if (other === undefined) seen.set(secret.value, path.slice(0, 3).join('.'));
      else findings.problem(path, `is the same as ${other}; give each its own`);
    }
  };
  look(['admin', 'token'], value.token);
  for (const [name, { secret }] of Object.entries(value.tokens)) {
    const wrong = nameProblem(name);
    if (wrong !== '') findings.problem(['admin', 'tokens', name], wrong, 'key');
    look(['admin', 'tokens', name, 'secret'], secret);
  }
  checkOpenness(value, findings);
}

function checkOpenness({ listen, token, tokens, tls }: AdminFile, findings: Findings): void {
  if (isLoopback(listen.host)) return;
  const where = formatAddress(listen);
  const hasToken = token !== undefined || Object.keys(tokens).length > 0;
  if (!hasToken && tls?.client_ca === undefined) {
    findings.problem(
      ['admin', 'listen'],
      `${where} can be reached from other machines and there is no token; set admin.token, or listen on 127.0.0.1:${listen.port}`,
    );
  } else if (tls === undefined) {
    findings.warning(
      ['admin', 'listen'],
      `${where} can be reached from other machines without TLS, so whoever listens in between reads the token; set admin.tls, or listen on 127.0.0.1:${listen.port} and reach it with --control ssh://HOST`,
    );
  }
}
