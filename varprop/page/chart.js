// One figure: mean squares by layer on a logarithmic axis, a line for theory and dots for networks.

const SVG = "http://www.w3.org/2000/svg";
const WORDS = {
  "-12": "a trillionth", "-9": "a billionth", "-6": "a millionth", "-3": "a thousandth", "-2": "a hundredth", "-1": "a tenth",
  0: "1", 1: "10", 2: "100", 3: "a thousand", 6: "a million", 9: "a billion", 12: "a trillion",
};

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The decades that an axis shows: { low, high, step }, with at most `most` steps.
function decades(logs, most) {
  const seen = logs.filter(Number.isFinite).map((log) => log / Math.LN10);
  const low = Math.min(-1.2, ...seen), high = Math.max(1.2, ...seen);
  const step = [1, 3, 6, 12, 24, 48, 96, 192].find((size) => Math.ceil(high / size) - Math.floor(low / size) <= most) ?? 384;
  return { low: step * Math.floor(low / step), high: step * Math.ceil(high / step), step };
}

function layerTicks(depth) {
  if (depth <= 10) return Array.from({ length: depth }, (_, i) => i + 1);
  const step = depth <= 25 ? 5 : depth <= 50 ? 10 : 20;
  const ticks = [1];
  for (let l = step; l <= depth; l += step) ticks.push(l);
  return ticks;
}

// Draw into the <svg>: `line`, `typical`, which may be missing, and each of `networks` are logarithms, one a layer. The scale is
// that of what is shown.
function drawChart(svg, line, typical, networks) {
  const width = svg.clientWidth || 600, height = svg.clientHeight || 240;
  const left = 98, right = 14, top = 12, bottom = 34;
  const depth = line.length;
  const axis = decades([...line, ...(typical ?? []), ...networks.flat()], Math.max(3, Math.min(6, Math.floor((height - top - bottom) / 17))));
  const x = (l) => left + (depth === 1 ? 0.5 : (l - 1) / (depth - 1)) * (width - left - right - 12) + 6;
  const y = (log) => top + ((axis.high - log / Math.LN10) / (axis.high - axis.low)) * (height - top - bottom);
  const parts = [];
  for (let power = axis.low; power <= axis.high; power += axis.step) {
    const at = y(power * Math.LN10);
    parts.push(element("line", { x1: left, x2: width - right, y1: at, y2: at, class: power === 0 ? "one" : "grid" }));
    parts.push(element("text", { x: left - 8, y: at + 4, class: "tick y" }, WORDS[power] ?? tenTo(power)));
  }
  const marks = width < 420 && depth > 5 && depth <= 10 ? [1, 5, 10].filter((l) => l <= depth) : layerTicks(depth);
  for (const l of marks) parts.push(element("text", { x: x(l), y: height - bottom + 18, class: "tick x" }, l));
  parts.push(element("text", { x: left, y: height - 3, class: "title" }, "layer"));

  const dots = [];
  networks.forEach((logs, index) => {
    const aside = ((index % 5) - 2) * Math.min(1.2, (0.12 * (width - left)) / depth);
    logs.forEach((log, i) => {
      if (Number.isFinite(log)) dots.push(`M${(x(i + 1) + aside).toFixed(1)} ${y(log).toFixed(1)}h0`);
    });
  });
  const size = Math.max(2, Math.min(4.5, (width - left) / depth)); // so that neighbours stay apart on a phone
  parts.push(element("path", { d: dots.join(""), class: "dots", "stroke-width": size.toFixed(1) }));
  for (const [logs, name] of [[line, "line"], [typical, "line typical"]]) {
    if (!logs) continue;
    const points = logs.map((log, i) => `${x(i + 1).toFixed(1)},${y(log).toFixed(1)}`);
    if (depth === 1) parts.push(element("line", { x1: x(1) - 24, x2: x(1) + 24, y1: y(logs[0]), y2: y(logs[0]), class: name }));
    else parts.push(element("polyline", { points: points.join(" "), class: name }));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...parts);
}
