import { ROLES } from './roles';

/** A process that produces or consumes for one system, as its parent asks. It ends with its parent. */

interface Request {
  readonly n: number;
  readonly name: keyof typeof ROLES;
  readonly args: never;
}

process.on('message', async ({ n, name, args }: Request) => {
  try {
    process.send!({ n, reply: await ROLES[name](args) });
  } catch (error) {
    process.send!({ n, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
process.on('disconnect', () => process.exit());
