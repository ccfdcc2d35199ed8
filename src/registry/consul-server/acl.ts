// Access control: tokens, the policies that they carry, and the rights that follow from them.

export { aclFamily } from './acl/acl-api.ts';
export { type AclSettings, Identities } from './acl/identities.ts';
