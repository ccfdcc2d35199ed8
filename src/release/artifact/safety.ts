// What an archive must not do when it is unpacked: write beside its folder, by a name, by a link or
// through one, or make what is no file. Pure: entries in, the first reason out.

import type { TarEntry } from './tar/read.ts';

const LINKS_FOLLOWED_MAX = 40;

/** Gets the entries in their order. */
export class ArchiveSafety {
  /** Path → target of its links. */
  readonly #links = new Map<string, string>();
  readonly #files = new Set<string>();
  /** Folders that something stands in. */
  readonly #parents = new Set<string>();

  /** Why the entry is refused; '' when it is not. */
  add({ name, kind, what, target }: TarEntry): string {
    const shown = JSON.stringify(name);
    if (name.startsWith('/')) return `${shown} is a whole path`;
    const parts = partsOf(name);
    if (parts.includes('..')) return `${shown} leads out of it`;
    if (kind === 'other') return `${shown} is ${what}`;
    const path = parts.join('/');
    if (path === '') return kind === 'folder' ? '' : `${shown} is no name`;
    for (let end = 1; end < parts.length; end += 1) {
      const parent = parts.slice(0, end).join('/');
      if (this.#links.has(parent)) return `${shown} goes through the link ${parent}`;
      this.#parents.add(parent);
    }
    if (this.#links.has(path)) return `${shown} is in it twice, once as a link`;
    if (kind === 'hard link') {
      const original = partsOf(target).join('/');
      if (target.startsWith('/') || !this.#files.has(original)) {
        return `${shown} is a link to ${JSON.stringify(target)}, which is no file before it`;
      }
      this.#files.add(path);
    } else if (kind === 'link') {
      if (this.#files.has(path) || this.#parents.has(path)) {
        return `${shown} is in it twice, once as a link`;
      }
      this.#links.set(path, target);
    } else if (kind === 'file') {
      this.#files.add(path);
    } else {
      this.#parents.add(path);
    }
    return '';
  }

  /** When all is known: the first link that leads out of the archive, by whatever detour. */
  leadingOut(): string {
    for (const [path, target] of this.#links) {
      if (this.#isInside(path)) continue;
      return `${JSON.stringify(path)} is a link that leads out of it, to ${JSON.stringify(target)}`;
    }
    return '';
  }

  /** Walks as the system does: `..` after a link is the parent of where it leads. */
  #isInside(path: string): boolean {
    const ahead = path.split('/');
    const at: string[] = [];
    let followed = 0;
    for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (at.pop() === undefined) return false;
        continue;
      }
      at.push(part);
      const target = this.#links.get(at.join('/'));
      if (target === undefined) continue;
      followed += 1;
      if (target.startsWith('/') || target === '') return false;
      // A ring leads nowhere, and not out.
      if (followed > LINKS_FOLLOWED_MAX) return true;
      at.pop();
      ahead.unshift(...target.split('/'));
    }
    return true;
  }
}

function partsOf(name: string): readonly string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
}
