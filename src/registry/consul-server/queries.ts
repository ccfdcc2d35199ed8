// Prepared queries: questions about instances of a service that are kept under a name.

export { queryFamily } from './queries/query-api.ts';
