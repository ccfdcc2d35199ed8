// What is wrong with the host or path of a route. People bring the patterns of other programs; here
// a path is a prefix and a host is a name, and text that could only be meant as a pattern would
// match nothing and say nothing.

import { domainToASCII } from 'node:url';
import { resolveSegments } from '../../base/request-path.ts';
import { show } from '../sections/values.ts';

/** '' for a good path prefix. */
export function pathProblem(value: string): string {
  const pattern = patternProblem(value);
  if (pattern !== '') return pattern;
  const url = /^(?:https?:)?\/\/([^/:]+)(?::\d+)?(\/.*)?$/i.exec(value);
  if (url !== null && /^https?:|[.]/i.test(value)) {
    return `${show(value)} is a URL; write host: ${url[1]} and path: ${url[2] ?? '/'}`;
  }
  if (/[?#]/.test(value) || !value.startsWith('/')) {
    const remedy = /^[\w.~-]+(\/[\w.~-]*)*$/.test(value) ? `write /${value}` : EXAMPLE;
    return `${show(value)} is not a path prefix; ${remedy}`;
  }
  if (/%(?![0-9A-Fa-f]{2})|%00/.test(value)) {
    return `${show(value)} has a % that begins no character; write %25 to mean the sign itself`;
  }
  const written = encodeRest(value);
  const normal = resolveSegments(written.replaceAll(/%(..)/g, decodeUnreserved));
  if (normal === value) return '';
  return normal === undefined
    ? `${show(value)} leads above the root; ${EXAMPLE}`
    : `${show(value)} would match nothing: paths are compared decoded, with // merged and . and .. resolved; write ${normal}`;
}

const EXAMPLE = 'write one that begins with / and has no ? or #';

function patternProblem(value: string): string {
  const given = show(value);
  const modifier = /^(=|~\*?|\^~)\s*(.*)$/.exec(value);
  if (modifier !== null) {
    const [, sign = '', rest = ''] = modifier;
    return `${given} has nginx's modifier ${sign}, but a path is always a prefix; write ${plainPath(rest)}`;
  }
  if (/[*^\\|]|\$$|\(.*\)|\[.*\]/.test(value)) {
    return `${given} looks like a pattern, but a path is a prefix and covers all under it; write ${plainPath(value)}, or percent-encode a sign that is meant itself`;
  }
  if (/\/(?::\w|\{|<)/.test(value)) {
    return `${given} has a parameter, but a path is a prefix and covers all under it; write ${plainPath(value)}`;
  }
  return '';
}

/** What stands before the first sign of a pattern, as a prefix. */
function plainPath(text: string): string {
  const [plain = ''] = text.replace(/^[\^~=\s]+/, '').split(/[*\\|$()[\]{}<?:^]/, 1);
  const path = resolveSegments(`/${plain.replace(/\.$/, '')}`) ?? '/';
  // `/img/a*` is no whole segment before the sign: its folder is.
  const whole = /[*\\|([{<:]/.test(text) ? path.slice(0, path.lastIndexOf('/') + 1) : path;
  return whole === '/' ? '/' : whole.replace(/\/$/, '');
}

/** Blanks and what is not ASCII, as a client sends them. */
function encodeRest(value: string): string {
  return value.replaceAll(/[^\x21-\x7e]+/g, (text) => encodeURIComponent(text.toWellFormed()));
}

/** RFC 3986 2.3: characters whose encoded form is never needed; and the slash, which is one decoded. */
function decodeUnreserved(encoded: string, digits: string): string {
  const character = String.fromCharCode(Number.parseInt(digits, 16));
  return /[A-Za-z0-9._~/-]/.test(character) ? character : encoded.toUpperCase();
}

/** '' for a good host of a route. */
export function hostProblem(value: string): string {
  if (value === '') return '';
  if (/^(\*|_|default_server|\*\.?\*)$/.test(value)) {
    return `${show(value)} is no host; leave host out to mean any`;
  }
  if (/^[a-z]+:\/\//i.test(value)) return `${show(value)} is a URL; write the host name alone`;
  if (/:\d+$/.test(value)) return `${show(value)} has a port; write the name alone`;
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;
  const isName = (text: string): boolean =>
    text.length <= 253 && text.split('.').every((part) => label.test(part));
  if (isName(value.replace(/^\*\./, ''))) return '';
  if (value.startsWith('.') && isName(value.slice(1))) {
    return `${show(value)} is nginx's way; write "*${value}", and ${value.slice(1)} as a route of its own`;
  }
  if (/[\\^~$()[\]|+]|\.\*/.test(value)) {
    return `${show(value)} looks like a pattern, but a host is a name; write app.example or "*.app.example"`;
  }
  if (value.endsWith('.') && isName(value.slice(0, -1))) {
    return `${show(value)} ends in a dot; write ${value.slice(0, -1)}`;
  }
  const ascii = /[^\x00-\x7f]/.test(value) ? domainToASCII(value) : '';
  if (isName(ascii)) return `${show(value)} is not ASCII; write ${ascii}, as clients send it`;
  return `${show(value)} is not a host name; write app.example or "*.app.example"`;
}
