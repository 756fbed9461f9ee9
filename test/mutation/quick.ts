/** Runs bundled test files, and ends at the first test that fails: what Stryker calls for each mutant of src/. */
import { passes } from './passes';

async function main(files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (await passes(file)) continue;
    process.exitCode = 1;
    return;
  }
}

void main(process.argv.slice(2));
