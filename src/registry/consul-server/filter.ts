// `?filter=` of Consul's lists: which of the documents an expression keeps.

export {
  CHECK_FIELDS,
  FLAT_SERVICE_FIELDS,
  INSTANCE_FIELDS,
  NODE_FIELDS,
  SERVICE_FIELDS,
} from './filter/fields.ts';
export { type FieldTree, filterOf } from './filter/filter.ts';
