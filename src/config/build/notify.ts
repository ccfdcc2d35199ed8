// Who hears of a release: the file's shape → the program's.

import { kindsOf } from '../rules/notify.ts';
import type { ServiceFile } from '../sections/service.ts';
import type { ReceiverConfig } from '../types.ts';

export function receiversOf({ notify }: ServiceFile): readonly ReceiverConfig[] {
  return notify.flatMap((receiver) => {
    const { secret = '', on, timeout } = receiver;
    return kindsOf(receiver).map((kind) => ({
      kind,
      url: receiver[kind] ?? '',
      secret,
      on,
      timeoutMs: timeout,
    }));
  });
}
