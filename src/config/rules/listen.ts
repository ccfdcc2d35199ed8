// The rules of `listen`: keys that have no meaning without another.

import type { Path } from '../document.ts';
import type { ListenerFile } from '../sections/listen.ts';
import type { Findings, Part } from './upstreams.ts';

export function checkListen(
  { raw, value }: Part<readonly ListenerFile[]>,
  findings: Findings,
): void {
  for (const [index, listener] of (value ?? []).entries()) {
    checkListener(Array.isArray(raw) ? ['listen', index] : ['listen'], listener, findings);
  }
}

function checkListener(
  path: Path,
  { tls, redirect_to_https: redirects, https_port: port }: ListenerFile,
  findings: Findings,
): void {
  if (tls !== undefined && redirects) {
    const message = 'would send clients from https to https; remove it, or tls';
    findings.problem([...path, 'redirect_to_https'], message, 'key');
  }
  if (port !== undefined && !redirects) {
    const message = 'is for redirect_to_https alone; write that, too, or remove it';
    findings.problem([...path, 'https_port'], message, 'key');
  }
  if (tls === undefined || tls.client_ca !== undefined) return;
  const needs = 'needs client_ca, whose certificates clients are to have; write that, or remove it';
  if (tls.client_certificate !== undefined) {
    findings.problem([...path, 'tls', 'client_certificate'], needs, 'key');
  }
  if (tls.pass_client_certificate) {
    findings.problem([...path, 'tls', 'pass_client_certificate'], needs, 'key');
  }
}
