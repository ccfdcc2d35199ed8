// /v1/snapshot: the whole content as an archive, and back. GET saves what is there at this moment while
// writes go on; PUT puts another in its place at once, or refuses it and changes nothing. Whoever may
// do that may do everything, so it takes the right to write ACLs, as in Consul.

import { messageOf } from '../../base/errors.ts';
import { type Answer, indexHeaders, textAnswer, variedAnswer } from './http.ts';
import { permissionDenied } from './rights.ts';
import type { ApiContext, Family, Handler } from './routes.ts';

export function snapshotFamily(context: ApiContext): Family {
  const { store, log } = context;
  const save: Handler = (_path, query, { rights }) => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    if (!rights.allows('acl', 'write', '')) return permissionDenied();
    const { index, stream } = store.save();
    const headers = [...indexHeaders(index), 'Content-Type', 'application/x-gzip'];
    return { ...variedAnswer(200, headers), stream };
  };
  const restore: Handler = async (_path, query, caller): Promise<Answer> => {
    const options = context.optionsOf(query);
    if ('status' in options) return options;
    if (!caller.rights.allows('acl', 'write', '')) return permissionDenied();
    try {
      const index = await store.restore(caller.bodyStream());
      log.info({ index }, 'registry restored from a snapshot');
      return variedAnswer(200, []);
    } catch (error) {
      return {
        ...textAnswer(500, `failed to restore snapshot: ${messageOf(error)}`),
        closes: true,
      };
    }
  };
  return { routes: { '/v1/snapshot': { GET: save, PUT: restore } } };
}
