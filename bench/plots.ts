import { init } from 'echarts';
import type { Plot } from './section';

const COLOURS = ['#d1495b', '#edae49', '#30638e', '#00798c', '#6a4c93', '#555555'];

/** An SVG of a plot; it needs no browser. */
export function draw({ title, x, y, series }: Plot): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 760, height: 440 });
  const axis = ({ name, log }: Plot['x']) => ({ name, type: log ? ('log' as const) : ('value' as const), nameLocation: 'middle' as const, nameGap: 32 });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: COLOURS,
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0 },
    grid: { left: 80, right: 30, top: 50, bottom: 85 },
    xAxis: axis(x),
    yAxis: { ...axis(y), nameGap: 58 },
    series: series.map(({ name, points }) => ({
      name, type: 'line', showSymbol: points.length < 20, symbolSize: 7, data: points.filter(([at]) => !x.log || at > 0).map((point) => [...point]),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
