// The part of HCL in which ACL rules are written: `key_prefix "app/" { policy = "write" }`, assignments,
// comments, nested blocks; or the same as JSON. Pure. What it does not read is refused with its place,
// since a rule that is passed over may be the one that denies.

import { messageOf } from '../../../base/errors.ts';

export type Value = string | readonly Item[];
/** `key "a" { … }` is the path [key, a] with the items of the block. */
export type Item = { readonly path: readonly string[]; readonly value: Value };

/** Deeper blocks are refused: rules have two levels. */
const DEPTH_MAX = 8;

export class HclError extends Error {}

/** @throws HclError */
export function parseHcl(text: string): readonly Item[] {
  if (!text.trimStart().startsWith('{')) return new Parser(text).items(undefined, 0);
  try {
    return jsonItems(JSON.parse(text), 0);
  } catch (error) {
    throw new HclError(messageOf(error));
  }
}

/** A list of objects is what several blocks of one name are in JSON. */
function jsonItems(value: unknown, depth: number): readonly Item[] {
  if (Array.isArray(value)) return value.flatMap((each) => jsonItems(each, depth));
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) {
    throw new HclError('object expected');
  }
  return Object.entries(value).map(([name, member]: [string, unknown]) => ({
    path: [name],
    value: typeof member === 'string' ? member : jsonItems(member, depth + 1),
  }));
}

type Token = {
  readonly kind: 'word' | 'text' | 'mark' | 'end';
  readonly text: string;
  readonly at: number;
};

const BLANKS = /(?:\s+|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const WORD = /[A-Za-z0-9_][\w.-]*/y;
const TEXT = /"(?:[^"\\\n]|\\.)*"/y;

class Parser {
  readonly #text: string;
  #at = 0;
  #token: Token;

  constructor(text: string) {
    this.#text = text;
    this.#token = this.#read();
  }

  items(closing: '}' | undefined, depth: number): readonly Item[] {
    if (depth > DEPTH_MAX) throw this.#wrong('nested too deep');
    const items: Item[] = [];
    for (;;) {
      const { kind, text } = this.#token;
      if (kind === 'end' && closing === undefined) return items;
      if (kind === 'mark' && text === closing) {
        this.#next();
        return items;
      }
      if (kind === 'mark' && text === ',' && items.length > 0) this.#next();
      else items.push(this.#item(depth));
    }
  }

  #item(depth: number): Item {
    const path: string[] = [];
    while (this.#isName()) path.push(this.#next().text);
    if (path.length === 0) {
      throw this.#wrong(`a name expected, not ${this.#shown()}`);
    }
    if (this.#takes('=')) {
      if (path.length > 1) throw this.#wrong('a block expected after a name with a label');
      if (this.#takes('{')) return { path, value: this.items('}', depth + 1) };
      if (!this.#isName()) throw this.#wrong(`a value expected, not ${this.#shown()}`);
      return { path, value: this.#next().text };
    }
    if (!this.#takes('{')) {
      throw this.#wrong(
        `key '${path.join(' ')}' expected start of object ('{') or assignment ('=')`,
      );
    }
    return { path, value: this.items('}', depth + 1) };
  }

  #isName(): boolean {
    return this.#token.kind === 'word' || this.#token.kind === 'text';
  }

  #takes(mark: string): boolean {
    if (this.#token.kind !== 'mark' || this.#token.text !== mark) return false;
    this.#next();
    return true;
  }

  #next(): Token {
    const token = this.#token;
    this.#token = this.#read();
    return token;
  }

  #read(): Token {
    this.#match(BLANKS);
    const at = this.#at;
    if (at === this.#text.length) return { kind: 'end', text: '', at };
    const quoted = this.#match(TEXT);
    if (quoted !== '') return { kind: 'text', text: this.#unquoted(quoted, at), at };
    const word = this.#match(WORD);
    if (word !== '') return { kind: 'word', text: word, at };
    this.#at++;
    return { kind: 'mark', text: this.#text.charAt(at), at };
  }

  #unquoted(quoted: string, at: number): string {
    try {
      const text: unknown = JSON.parse(quoted);
      return String(text);
    } catch {
      throw this.#wrong(`the text ${quoted} has an unknown escape`, at);
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #shown(): string {
    return this.#token.kind === 'end' ? 'the end' : JSON.stringify(this.#token.text);
  }

  #wrong(why: string, at = this.#token.at): HclError {
    const before = this.#text.slice(0, at).split('\n');
    return new HclError(`At ${before.length}:${(before.at(-1)?.length ?? 0) + 1}: ${why}`);
  }
}
