/** Whether all tests passed, and none was left out: uvu ends with 0 when a hook throws, and does not run the rest of that file. */
export function allPassed(printed: string): boolean {
  const [, total, passed, skipped] = /Total:\s+(\d+)\s+Passed:\s+(\d+)\s+Skipped:\s+(\d+)/.exec(printed.replace(/\x1b\[\d+m/g, '')) ?? [];
  return Number(total) > 0 && total === passed && skipped === '0';
}
