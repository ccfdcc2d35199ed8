// Who took a server out. In documents, snapshots and logs an owner is a text; what the text means is
// known here alone.
//
//   text         owner        as
//   ''           nobody       ready
//   user:alice   person       sluice drain, a person's curl
//   release:r42  release      sluice deploy
//   kv           registry     the record says down
//   config       config       the file says down
//   any other    other        whoever calls the control API under a name of their own

export type Owner =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'person'; readonly name: string }
  | { readonly kind: 'release'; readonly id: string }
  | { readonly kind: 'registry' }
  | { readonly kind: 'config' }
  | { readonly kind: 'other'; readonly text: string };

const PERSON = 'user:';
const RELEASE = 'release:';
const REGISTRY = 'kv';
const CONFIG = 'config';

export function parseOwner(text: string): Owner {
  if (text === '') return { kind: 'nobody' };
  if (text === REGISTRY) return { kind: 'registry' };
  if (text === CONFIG) return { kind: 'config' };
  if (text.startsWith(PERSON)) return { kind: 'person', name: text.slice(PERSON.length) };
  if (text.startsWith(RELEASE)) return { kind: 'release', id: text.slice(RELEASE.length) };
  return { kind: 'other', text };
}

export function ownerText(owner: Owner): string {
  switch (owner.kind) {
    case 'nobody':
      return '';
    case 'person':
      return `${PERSON}${owner.name}`;
    case 'release':
      return `${RELEASE}${owner.id}`;
    case 'registry':
      return REGISTRY;
    case 'config':
      return CONFIG;
    case 'other':
      return owner.text;
  }
}

/** True when a record of the server, in the registry or the file, says so. No person asked for it. */
export function isRecordOwner(text: string): boolean {
  const { kind } = parseOwner(text);
  return kind === 'registry' || kind === 'config';
}
