export type {
  Admin,
  AdminState,
  Balance,
  Checks,
  Eligibility,
  Route,
  ServerState,
  TableUpdate,
  UpstreamState,
} from './upstream/table.ts';
