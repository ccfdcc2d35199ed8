// A request's target as it may be kept: the path, and of the query the names alone. What stands without a `=`
// may be a value just as well, so it is masked, too. Secrets in a path cannot be told from names, and stay.
//
//   /a?user=7&token=abc&raw   →   /a?user=*&token=*&*

const PATH_LENGTH_MAX = 300;
const NAME_LENGTH_MAX = 40;
const NAMES_MAX = 20;
const QUERY_LENGTH_MAX = 8192;

export function masked(target: string): string {
  // Some clients escape the mark itself, and mean a query.
  const mark = target.search(/\?|%3f/i);
  const path = mark === -1 ? target : target.slice(0, mark);
  const shown = short(path, PATH_LENGTH_MAX);
  if (mark === -1) return shown;
  // Of a huge query no more is looked at than what can be shown, names at full length.
  const parts = target
    .slice(mark)
    .replace(/^\?|^%3f/i, '')
    .slice(0, QUERY_LENGTH_MAX)
    .split('&', NAMES_MAX + 1);
  const names = parts.slice(0, NAMES_MAX).map((part) => {
    const equals = part.indexOf('=');
    return equals === -1
      ? part === ''
        ? ''
        : '*'
      : `${short(part.slice(0, equals), NAME_LENGTH_MAX)}=*`;
  });
  return `${shown}?${names.join('&')}${parts.length > NAMES_MAX ? '&…' : ''}`;
}

/** In at most so many characters, … where it was cut; nothing in it moves a cursor. */
export function short(text: string, lengthMax: number): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text;
  return cut.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
