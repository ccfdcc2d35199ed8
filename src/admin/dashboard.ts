// The dashboard over HTTP: its files below /ui/, and its page for whatever else is asked for there, because the
// page has its own addresses. Everybody may have them: what is shown comes through the control API.

import type { Context } from 'hono';
import { SluiceError } from '../base/errors.ts';
import { type Address, formatAddress } from '../base/units.ts';
import { DashboardFiles } from './dashboard/files.ts';

/** Nothing inline, nothing from elsewhere, in no frame of others. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** `asked`: the Host of who looks for it; a wildcard address is reached by the name that was used. */
export function dashboardUrl({ host, port }: Address, asked: string, isTls: boolean): string {
  const name = /^(\[[\da-f:.]+\]|[\w.-]+)(?::\d+)?$/i.exec(asked)?.[1];
  const isWildcard = host === '0.0.0.0' || host === '::';
  const place =
    isWildcard && name !== undefined ? `${name}:${port}` : formatAddress({ host, port });
  return `${isTls ? 'https' : 'http'}://${place}/ui/`;
}

export function createDashboard(): (context: Context) => Promise<Response> {
  const files = new DashboardFiles();
  return async (context) => {
    const { path } = context.req;
    if (path === '/' || path === '/ui') return context.redirect('/ui/');
    const name = path.slice('/ui/'.length);
    const isAsset = /^[\w.-]+\.(?:js|css|svg|map)$/.test(name);
    const file = await files.file(isAsset ? name : 'index.html');
    if (file === undefined) {
      // Of a version that is gone, most likely.
      const text = `${path}: no such file of the dashboard; load the page again`;
      throw new SluiceError('not_found', text);
    }
    const isGzip = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
    const headers = {
      ...HEADERS,
      'content-type': file.contentType,
      vary: 'accept-encoding',
      // The name of an asset changes with it.
      'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
      ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
    };
    // A view of the bytes of a whole buffer of its own.
    return new Response(new Uint8Array(isGzip ? file.gzipped : file.body), { headers });
  };
}
