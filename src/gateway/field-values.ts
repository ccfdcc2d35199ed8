// What a head says in a field of a name, or in a cookie. Fields are lines `Name: value CRLF`, as message.ts
// has them; names are asked for in lower case. Values are as they came.

/** Of the first such field; '' where there is none. */
export function fieldValue(fields: string, name: string): string {
  const at = findField(fields, name, 0);
  return at === -1 ? '' : fields.slice(at, fields.indexOf('\r', at));
}

/** The first cookie of this name over all Cookie fields. Source: RFC 6265 4.2.1 and 5.4. */
export function cookieValue(fields: string, name: string): string {
  for (let at = findField(fields, 'cookie', 0); at !== -1; at = findField(fields, 'cookie', at)) {
    const end = fields.indexOf('\r', at);
    let start = at;
    while (start < end) {
      let stop = fields.indexOf(';', start);
      if (stop === -1 || stop > end) stop = end;
      while (fields.charCodeAt(start) === SPACE) start += 1;
      if (fields.startsWith(name, start) && fields.charCodeAt(start + name.length) === EQUALS) {
        return fields.slice(start + name.length + 1, stop);
      }
      start = stop + 1;
    }
    at = end;
  }
  return '';
}

/** The values of some fields, found in one pass over all lines. */
export class FieldScan {
  readonly #names: string[] = [];
  readonly #values: (string | undefined)[] = [];
  /** Places of the names that begin with a letter, by its code in lower case. */
  readonly #byFirst: (number[] | undefined)[] = new Array(128);

  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  /** The place of a name, in lower case. */
  add(name: string): number {
    const place = this.#names.push(name) - 1;
    const code = name.charCodeAt(0);
    this.#byFirst[code] = [...(this.#byFirst[code] ?? []), place];
    this.#values.push(undefined);
    return place;
  }

  read(fields: string): void {
    this.#values.fill(undefined);
    for (let start = 0; start < fields.length; ) {
      const code = fields.charCodeAt(start);
      const places = this.#byFirst[code >= 0x41 && code <= 0x5a ? code | 0x20 : code];
      if (places !== undefined) {
        for (const place of places) this.#take(fields, start, place);
      }
      start = fields.indexOf('\n', start) + 1;
      if (start === 0) return;
    }
  }

  /** Of all such fields in what was read last, joined by `, `; undefined where there is none. */
  valueAt(place: number): string | undefined {
    return this.#values[place];
  }

  #take(fields: string, start: number, place: number): void {
    const name = this.#names[place] ?? '';
    const colon = start + name.length;
    if (fields.charCodeAt(colon) !== 0x3a || !isNameAt(fields, start, name)) return;
    const value = fields.slice(colon + 2, fields.indexOf('\r', colon));
    const before = this.#values[place];
    this.#values[place] = before === undefined ? value : `${before}, ${value}`;
  }
}

const SPACE = 0x20;
const EQUALS = 0x3d;

/** Where the value of the next such field begins, from the line that holds `from` on; -1: none. */
function findField(fields: string, name: string, from: number): number {
  let start = from === 0 ? 0 : fields.indexOf('\n', from) + 1;
  while (start < fields.length) {
    const colon = start + name.length;
    if (fields.charCodeAt(colon) === 0x3a && isNameAt(fields, start, name)) return colon + 2;
    start = fields.indexOf('\n', start) + 1;
    if (start === 0) return -1;
  }
  return -1;
}

function isNameAt(fields: string, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index += 1) {
    const code = fields.charCodeAt(start + index);
    const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (lower !== name.charCodeAt(index)) return false;
  }
  return true;
}
