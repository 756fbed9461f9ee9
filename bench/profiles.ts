/** How much of it all is measured. Every knob of the benchmark is here. */
export interface Profile {
  readonly name: 'quick' | 'full';
  /** Runs of a figure that others are compared with, and of all the rest. */
  readonly runs: number;
  readonly fewRuns: number;
  /** What inturn is compared with. */
  readonly peers: readonly string[];
  /** How long a run that is sized by its rate should take, in seconds: at least 1 after its warm-up. */
  readonly runSeconds: number;
  readonly throughput: {
    readonly users: readonly number[];
    readonly concurrency: readonly number[];
    readonly handlerMs: readonly number[];
    readonly processes: readonly number[];
    /** Without the wake-up too. */
    readonly polling: boolean;
  };
  readonly enqueue: { readonly inFlight: readonly number[]; readonly seconds: number; readonly warmUp: number };
  readonly latency: { readonly rates: readonly number[]; readonly share: number | undefined; readonly seconds: number };
  readonly hotUser: { readonly messages: number; readonly others: number; readonly othersRate: number };
  readonly scale: {
    /** Users, and messages of each. */
    readonly steps: readonly { readonly users: number; readonly each: number }[];
    readonly peersUpTo: number;
    readonly oneUser: number;
  };
  readonly idle: { readonly seconds: number; readonly waiting: number };
  readonly onTime: { readonly count: number; readonly seconds: number };
  readonly operations: { readonly users: number; readonly runs: number; readonly batches: readonly number[] };
  readonly guarantees: { readonly killWaitSeconds: number };
}

const PEERS = ['GroupMQ', 'BullMQ', 'bee-queue', 'simple design'];

/** All questions, meant to take less than 20 minutes on two cores. */
const FULL: Profile = {
  name: 'full',
  runs: 5,
  fewRuns: 1,
  peers: PEERS,
  runSeconds: 1.2,
  throughput: {
    users: [1, 100, 1000, 10_000],
    concurrency: [1, 50, 200],
    handlerMs: [0, 10, 100],
    processes: [1, 2, 4],
    polling: true,
  },
  enqueue: { inFlight: [100, 1000], seconds: 1, warmUp: 0.3 },
  latency: { rates: [200, 2000], share: 0.7, seconds: 3 },
  hotUser: { messages: 20_000, others: 1000, othersRate: 500 },
  scale: {
    steps: [{ users: 1000, each: 200 }, { users: 10_000, each: 20 }, { users: 100_000, each: 1 }, { users: 1_000_000, each: 1 }],
    peersUpTo: 100_000,
    oneUser: 1_000_000,
  },
  idle: { seconds: 3, waiting: 100_000 },
  onTime: { count: 1000, seconds: 10 },
  operations: { users: 10_000, runs: 3, batches: [1, 10, 100, 250] },
  guarantees: { killWaitSeconds: 90 },
};

/** What a regression would show in, in less than 3 minutes. */
const QUICK: Profile = {
  name: 'quick',
  runs: 3,
  fewRuns: 1,
  peers: ['simple design'],
  runSeconds: 1.2,
  throughput: { users: [1000], concurrency: [200], handlerMs: [0, 10], processes: [1], polling: false },
  enqueue: { inFlight: [100], seconds: 1, warmUp: 0.2 },
  latency: { rates: [200], share: undefined, seconds: 1.5 },
  hotUser: { messages: 10_000, others: 1000, othersRate: 500 },
  scale: { steps: [{ users: 1000, each: 200 }, { users: 200_000, each: 1 }], peersUpTo: 0, oneUser: 0 },
  idle: { seconds: 1, waiting: 10_000 },
  onTime: { count: 200, seconds: 1 },
  operations: { users: 4000, runs: 2, batches: [1, 100] },
  guarantees: { killWaitSeconds: 0 },
};

export const PROFILES = { quick: QUICK, full: FULL } as const;
