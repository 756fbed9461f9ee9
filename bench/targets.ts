/** What the project wants to reach on two cores, as ratios of one run; see `README.md`. */
interface Target {
  readonly figure: string;
  readonly ratio: string;
  readonly least: number;
}

/** 200 bytes of payload in all that is allowed, as a share: a payload and 60 bytes; a payload and 350 bytes. */
const BUSY = 200 / 260;
const SINGLE = 200 / 550;

export const TARGETS: readonly Target[] = [
  { figure: 'drain, against GroupMQ', ratio: 'drain: inturn / GroupMQ', least: 4 },
  { figure: 'drain, against BullMQ', ratio: 'drain: inturn / BullMQ', least: 5 },
  { figure: 'drain, against the simple design', ratio: 'drain: inturn / simple design', least: 1.3 },
  { figure: 'enqueue, against GroupMQ', ratio: 'enqueue, 100 in flight: inturn / GroupMQ', least: 4 },
  { figure: 'enqueue, against bee-queue', ratio: 'enqueue, 100 in flight: inturn / bee-queue', least: 1.5 },
  ...['GroupMQ', 'BullMQ', 'bee-queue', 'simple design'].flatMap((name) => [
    { figure: `latency at 200/s, p50, against ${name}`, ratio: `latency at 200 messages/s, p50: ${name} / inturn`, least: 2 },
    { figure: `latency at 200/s, p99, against ${name}`, ratio: `latency at 200 messages/s, p99: ${name} / inturn`, least: 1 },
  ]),
  { figure: 'hot user, against GroupMQ', ratio: 'hot user: inturn / GroupMQ', least: 1.3 },
  { figure: 'hot user, against the simple design', ratio: 'hot user: inturn / simple design', least: 0.8 },
  { figure: 'Redis CPU of a message, against GroupMQ', ratio: 'Redis CPU of a message: GroupMQ / inturn', least: 4 },
  { figure: 'slots busy, 10 ms handlers', ratio: '10 ms handler: inturn / ideal', least: 0.85 },
  { figure: '100,000 users with one message, against GroupMQ', ratio: 'drain, 100,000 x 1: inturn / GroupMQ', least: 6 },
  { figure: 'Redis CPU, 1,000 users / 1 million', ratio: 'scale: Redis CPU at 1000 / at 1000000 users', least: 1 / 1.6 },
  { figure: 'bytes, busy users', ratio: 'scale: bytes of a payload / bytes in Redis, 1,000 x 200', least: BUSY },
  { figure: 'bytes, single messages', ratio: 'scale: bytes of a payload / bytes in Redis, 100,000 x 1', least: SINGLE },
];
