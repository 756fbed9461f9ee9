import { PrivateRedis } from '../redis';
import { PROCESS_FAULTS } from './process';
import { type Nemesis, nemesis } from './run';

const AOF = ['--appendonly', 'yes', '--appendfsync', 'always'];

/** Every nemesis: each fault alone, then all that go together. */
export const NEMESES: readonly Nemesis[] = PROCESS_FAULTS.map((fault) => (
  nemesis({ name: fault.name, server: () => PrivateRedis.start(...AOF), faults: [fault] })
));
