// The rules between keys of who hears of a release.

import type { Path } from '../document.ts';
import { NOTIFY_KINDS, type NotifyFile, type NotifyKind } from '../sections/service.ts';
import type { Findings, Parts } from './upstreams.ts';

// Object.keys forgets the type of the keys.
const KINDS = Object.keys(NOTIFY_KINDS) as NotifyKind[];
const SIGNED: readonly NotifyKind[] = ['webhook', 'dingtalk', 'feishu'];

export function applyNotifyRules({ services }: Parts, findings: Findings): void {
  for (const { value, path } of services.values()) {
    for (const [index, receiver] of (value?.notify ?? []).entries()) {
      checkReceiver(receiver, [...path, 'notify', index], findings);
    }
  }
}

function checkReceiver(receiver: NotifyFile, path: Path, findings: Findings): void {
  const [kind, second] = kindsOf(receiver);
  if (kind === undefined) {
    findings.problem(path, `names no receiver; write one of ${KINDS.join(', ')}`);
  } else if (second !== undefined) {
    findings.problem([...path, second], `stands beside ${kind}; write an entry of its own for it`);
  } else if (receiver.secret !== undefined && !SIGNED.includes(kind)) {
    findings.problem([...path, 'secret'], `${kind} knows no signature; remove this key`);
  }
}

export function kindsOf(receiver: NotifyFile): readonly NotifyKind[] {
  return KINDS.filter((kind) => receiver[kind] !== undefined);
}
