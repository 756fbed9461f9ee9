import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { generated } from './generate';

for (const [file, content] of generated()) {
  test(`${file} is as its sources say (npm run generate)`, () => {
    assert.fixture(readFileSync(join(__dirname, '..', file), 'utf8'), content);
  });
}

test.run();
