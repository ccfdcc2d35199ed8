// How a program in Go reads and writes: JSON, durations and numbers as Consul's server takes and gives them.

export {
  anything,
  type Decoded,
  type Decoder,
  decode,
  decodeBody,
  duration,
  flag,
  integer,
  list,
  map,
  optional,
  struct,
  text,
} from './go/go-decode.ts';
export { goDurationText } from './go/go-duration.ts';
export {
  type GoType,
  JsonNumber,
  knownMembers,
  membersOf,
  mismatch,
  parseGoJson,
  Refused,
  textMember,
  uint64Member,
} from './go/go-json.ts';
export { goJson, goString, keysJson, prettyJson, recordJson, recordsJson } from './go/kv-json.ts';
