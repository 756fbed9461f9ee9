/** Whether as many tests passed as there are: uvu ends with 0 when a hook throws, and leaves out the rest of that file. */
export function allPassed(printed: string): boolean {
  const [, total, passed] = /Total:\s+(\d+)\s+Passed:\s+(\d+)/.exec(printed.replace(/\x1b\[\d+m/g, '')) ?? [];
  return total !== undefined && total === passed;
}
