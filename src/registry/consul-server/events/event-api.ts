// /v1/event/fire/:name, /v1/event/list.

import { nodePrefix, SERVICES } from '../catalog.ts';
import { goJson, prettyJson } from '../go.ts';
import {
  type Answer,
  jsonAnswer,
  parameter,
  parseUint64,
  type Query,
  textAnswer,
} from '../http.ts';
import { tooLarge } from '../kv-api.ts';
import { permissionDenied } from '../rights.ts';
import type { ApiContext, Family, Handler } from '../routes.ts';
import { EventLog, indexOf, type UserEvent } from './event-log.ts';
import { type Pattern, patternOf } from './pattern.ts';

/** An event is a message, not a record. */
const PAYLOAD_BYTES_MAX = 64 * 1024;
const WAITING_MAX = 5_000;

export function eventFamily(context: ApiContext): Family {
  const log = new EventLog();
  let isClosing = false;

  const fire: Handler = async (name, query, caller) => {
    const datacenter = parameter(query, 'dc');
    if (name === '') return textAnswer(400, 'Missing name');
    if (datacenter !== '' && datacenter !== context.datacenter) {
      return textAnswer(500, 'No path to datacenter');
    }
    if (!caller.rights.allows('event', 'write', name)) return permissionDenied();
    const [node, service, tag] = ['node', 'service', 'tag'].map((key) => parameter(query, key));
    const filters = { node: node ?? '', service: service ?? '', tag: tag ?? '' };
    if (filters.tag !== '' && filters.service === '') {
      return textAnswer(500, 'Cannot provide tag filter without service filter');
    }
    const patterns: Record<string, Pattern> = {};
    for (const [which, text] of Object.entries(filters)) {
      const pattern = patternOf(text);
      if (typeof pattern === 'string') {
        return textAnswer(500, `Invalid ${which} filter: ${pattern}`);
      }
      patterns[which] = pattern;
    }
    const payload = await caller.readBody(PAYLOAD_BYTES_MAX);
    if (payload === undefined) return tooLarge(caller.declaredBytes, 'event');
    const event = log.fire(
      {
        ...{ name, payload, nodeFilter: filters.node },
        ...{ serviceFilter: filters.service, tagFilter: filters.tag },
      },
      patterns['node']?.test(context.nodeName) === true && hasService(context, patterns, filters),
    );
    return written(goJson({ ...eventFields(event), LTime: 0 }), query);
  };

  const list: Handler = (_path, query, caller) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    const name = parameter(query, 'name');
    const { rights } = caller;
    const events = (): readonly UserEvent[] =>
      log.list(
        (event) =>
          (name === '' || event.name === name) && rights.allows('event', 'read', event.name),
      );
    const asked = parseUint64(parameter(query, 'index') || '0');
    const known = 'value' in asked ? asked.value : '0';
    const answer = (): Answer => {
      const seen = events();
      const json = goJson(seen.map(eventFields));
      const index = ['X-Consul-Index', indexOf(seen)];
      return jsonAnswer(options.pretty ? prettyJson(json) : json, index);
    };
    if (known === '0' || indexOf(events()) !== known || isClosing) return answer();
    if (log.waiting >= WAITING_MAX) {
      return textAnswer(429, `Too many queries wait for events here (${WAITING_MAX})`);
    }
    return new Promise((resolve) => {
      const settle = (): void => {
        stopListening();
        stopTimer();
        stopWatching();
        resolve(answer());
      };
      const waitMs = options.waitMs * (1 + context.random() / 16);
      const stopTimer = context.clock.after(waitMs, settle);
      const stopListening = log.listen(() => {
        if (isClosing || indexOf(events()) !== known) settle();
      });
      const stopWatching = caller.onGone(settle);
    });
  };

  return {
    routes: { '/v1/event/fire/': { PUT: fire }, '/v1/event/list': { GET: list } },
    close: () => {
      isClosing = true;
      log.wakeAll();
    },
  };
}

/** Whether a service of this node has the name and, where one is asked for, the tag. */
function hasService(
  { store, nodeName }: ApiContext,
  patterns: Readonly<Record<string, Pattern>>,
  filters: { readonly service: string; readonly tag: string },
): boolean {
  if (filters.service === '') return true;
  return SERVICES.list(store.table, nodePrefix(nodeName)).some(
    ({ value }) =>
      patterns['service']?.test(value.Service) === true &&
      (filters.tag === '' || value.Tags?.some((tag) => patterns['tag']?.test(tag)) === true),
  );
}

function written(json: string, query: Query): Answer {
  return jsonAnswer(query.has('pretty') ? prettyJson(json) : json);
}

function eventFields(event: UserEvent): Readonly<Record<string, unknown>> {
  return {
    ID: event.id,
    Name: event.name,
    Payload: event.payload.length === 0 ? null : event.payload.toString('base64'),
    NodeFilter: event.nodeFilter,
    ServiceFilter: event.serviceFilter,
    TagFilter: event.tagFilter,
    Version: 1,
    LTime: event.time,
  };
}
