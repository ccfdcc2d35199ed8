// The routes of the releases of a service.

import {
  APPENDED,
  COMMANDED,
  DONE,
  INSTANCES,
  RELEASE_JOURNAL,
  RELEASES,
  RENEWED,
  TAKEN,
} from './release-documents.ts';
import {
  APPEND_BODY,
  CLOSE_BODY,
  COMMAND_BODY,
  PUT_INSTANCE_BODY,
  RENEW_BODY,
  TAKE_BODY,
} from './release-requests.ts';
import type { Route } from './route.ts';

export const RELEASE_ROUTES = {
  releases: {
    method: 'GET',
    path: '/api/releases/:service',
    role: 'read',
    answer: RELEASES,
    errors: ['registry_unreachable', 'registry_refused'],
  },
  releaseJournal: {
    method: 'GET',
    path: '/api/releases/:service/journals/:release',
    role: 'read',
    answer: RELEASE_JOURNAL,
    errors: ['not_found', 'registry_unreachable', 'registry_refused'],
  },
  takeLock: {
    method: 'POST',
    path: '/api/releases/:service/lock',
    role: 'release',
    body: TAKE_BODY,
    answer: TAKEN,
    errors: ['locked', 'not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  renewLock: {
    method: 'POST',
    path: '/api/releases/:service/renew',
    role: 'release',
    isQuiet: true,
    body: RENEW_BODY,
    answer: RENEWED,
    errors: ['locked', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  appendRecords: {
    method: 'POST',
    path: '/api/releases/:service/records',
    role: 'release',
    isQuiet: true,
    body: APPEND_BODY,
    answer: APPENDED,
    errors: ['locked', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  closeRelease: {
    method: 'POST',
    path: '/api/releases/:service/close',
    role: 'release',
    body: CLOSE_BODY,
    answer: DONE,
    errors: ['locked', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  commandRelease: {
    method: 'POST',
    path: '/api/releases/:service/command',
    role: 'release',
    body: COMMAND_BODY,
    answer: COMMANDED,
    errors: ['not_found', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
  instanceRecords: {
    method: 'GET',
    path: '/api/releases/:service/instances',
    role: 'release',
    answer: INSTANCES,
    errors: ['registry_unreachable', 'registry_refused'],
  },
  putInstanceRecord: {
    method: 'POST',
    path: '/api/releases/:service/instances/:instance',
    role: 'release',
    isQuiet: true,
    body: PUT_INSTANCE_BODY,
    answer: DONE,
    errors: ['locked', 'conflict', 'registry_unreachable', 'registry_refused'],
  },
} as const satisfies Readonly<Record<string, Route>>;
