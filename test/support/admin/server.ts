// What a control API needs beside the control, for tests of something else.

import { AuditLog } from '../../../src/admin.ts';
import { silentLog } from '../../../src/base/log.ts';
import { configurationStub, deskStub, liveStub } from './control.ts';

export function noAudit() {
  return {
    audit: new AuditLog({ file: '', log: silentLog }),
    facts: () => undefined,
    live: liveStub(),
    desk: deskStub(),
    configuration: configurationStub(),
  };
}
