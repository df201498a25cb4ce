// The line: signal and gradient at infinite width, as logarithms, so that nothing over- or underflows.
// The same as varprop.theory.forward and backward with order="infinite"; tests hold them equal.

// n Var(W): the factor that a layer of n units, behind n units, puts on a mean square.
function gainSquared({ weights, multiplier, width }) {
  const law = DATA.initializers[weights];
  return multiplier * law.scale * (law.mode === "none" ? width : 1);
}

// Nodes and weights of Gauss and Legendre on [-1, 1].
const LEGENDRE = legendre(20);

function legendre(points) {
  const rule = [];
  for (let i = 0; i < points; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (points + 0.5)), slope = 1;
    for (let step = 0; step < 8; step++) {
      let [below, here] = [1, x];
      for (let k = 2; k <= points; k++) [below, here] = [here, ((2 * k - 1) * x * here - (k - 1) * below) / k];
      slope = (points * (x * here - below)) / (x * x - 1);
      x -= here / slope;
    }
    rule.push([x, 2 / ((1 - x * x) * slope * slope)]);
  }
  return rule;
}

const FARTHEST = 10; // standard deviations; beyond lies 1e-23

// E f(sqrt(q) Z), Z ~ N(0, 1). Panels end at whole standard deviations, where the density bends, at 1/2, 1, 2, 4, ...,
// since activations bend near 0 and have their poles there, and at kinks.
function expectation(f, q, kinks) {
  const root = Math.sqrt(q);
  const ends = new Set([0, ...kinks.map(Math.abs).filter((kink) => kink < FARTHEST * root)]);
  for (let j = 1; j <= FARTHEST; j++) ends.add(j * root);
  for (let end = 0.5; end < FARTHEST * root; end *= 2) ends.add(end);
  const sorted = [...ends].sort((a, b) => a - b);
  let sum = 0;
  for (let i = 1; i < sorted.length; i++) {
    const middle = (sorted[i] + sorted[i - 1]) / 2, half = (sorted[i] - sorted[i - 1]) / 2;
    for (const [node, weight] of LEGENDRE) {
      const x = middle + half * node;
      sum += (weight * half * normalDensity(x / root) * (f(x) + f(-x))) / root;
    }
  }
  return sum;
}

const FAR = 60; // of |ln q|: beyond, phi is a constant or a straight line on each side to float64's precision

// ln E phi(z)^2 and ln E phi'(z)^2 where z ~ N(0, q).
function logMeanSquares(name, logQ) {
  const known = DATA.activations[name];
  const near = Math.max(-FAR, Math.min(FAR, logQ)), q = Math.exp(near);
  const straight = near < logQ ? known.unbounded : near > logQ && known.vanishes_at_zero;
  let second, slope;
  if (name === "sin") {
    second = -Math.expm1(-2 * q) / 2; // panels cannot follow its waves
    slope = (1 + Math.exp(-2 * q)) / 2;
  } else {
    const { phi, slope: derivative } = activationOf(name);
    second = expectation((x) => phi(x) ** 2, q, known.kinks);
    slope = expectation((x) => derivative(x) ** 2, q, known.kinks);
  }
  return { second: Math.log(second) + (straight ? logQ - near : 0), slope: Math.log(slope) };
}

const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

// { signal, gradient }: ln E[z^2] and ln E[delta^2] of layers 1 to depth, of one input of mean square input^2 and a
// gradient of mean square 1 at the output. A block is z + W phi(z), or z + W phi(LayerNorm(z)).
function theory(settings) {
  const { activation, depth, input, block } = settings;
  const gain = Math.log(gainSquared(settings));
  const signal = [gain + 2 * Math.log(input)], factors = [];
  for (let l = 1; l < depth; l++) {
    const below = signal[l - 1];
    const scale = block === "prenorm" ? logSum(below, Math.log(DATA.eps)) : 0; // ln s^2 of the norm
    const mean = logMeanSquares(activation, block === "prenorm" ? below - scale : below);
    const branch = gain + mean.second, back = gain + mean.slope - scale;
    signal.push(block === "plain" ? branch : logSum(below, branch));
    factors.push(block === "plain" ? back : logSum(0, back));
  }
  const gradient = [0];
  for (let l = depth - 1; l > 0; l--) gradient.unshift(gradient[0] + factors[l - 1]);
  return { signal, gradient };
}

const EULER = 0.5772156649015329;

// E ln X given X > 0, X the sum over n units of phi(Z)^2, phi a straight line on each side of 0. With T ~ Exp(1) apart,
// P(T / X > t) = E exp(-t X) = M(t), so y = ln T - ln X has the density -t M'(t) at t = e^y, and E ln T = -EULER. Sums over
// equal steps of y are right to the last digits.
function meanLogSum(n, slopes) {
  let weight = 0, sum = 0;
  for (let y = -40 - Math.log(n); y < 110; y += 0.1) {
    const t = Math.exp(y), roots = slopes.map((slope) => 1 / Math.sqrt(1 + 2 * slope * slope * t));
    const falls = slopes[0] ** 2 * roots[0] ** 3 + slopes[1] ** 2 * roots[1] ** 3;
    const density = ((roots[0] + roots[1]) / 2) ** (n - 1) * t * falls;
    weight += density;
    sum += density * y;
  }
  return -EULER - sum / weight;
}

// { signal, gradient } of a typical network of this width: E ln of the mean of z^2, and of delta^2, over a layer's units, of
// networks that are not dead. Exact at every width, what theory.forward and backward call `log_mean`; null where it is not
// known in a line.
function typicalNetwork(settings) {
  const { activation, width, depth, input, block } = settings, { slopes } = DATA.activations[activation];
  if (!slopes || block !== "plain") return null;
  const gain = Math.log(gainSquared(settings)), one = meanLogSum(width, [1, 1]) - Math.log(width);
  const step = gain + meanLogSum(width, slopes) - Math.log(width);
  return {
    signal: Array.from({ length: depth }, (_, l) => gain + 2 * Math.log(input) + one + l * step),
    gradient: Array.from({ length: depth }, (_, l) => one + (depth - 1 - l) * step),
  };
}

// The multiplier that changes signal and gradient least from first to last layer: what theory.tune calls `multiplier`.
// null where it is none of those searched.
function tunedMultiplier(settings) {
  const change = (log) => {
    const { signal, gradient } = theory({ ...settings, multiplier: Math.exp(log) });
    return Math.max(Math.abs(signal.at(-1) - signal[0]), Math.abs(gradient[0]));
  };
  const grid = Array.from({ length: 33 }, (_, i) => (Math.log(10) * (i - 16)) / 4);
  const found = grid.map(change);
  const best = found.indexOf(Math.min(...found));
  if (settings.depth < 2 || best === 0 || best === grid.length - 1) return null;
  let [low, high] = [grid[best - 1], grid[best + 1]];
  const golden = (Math.sqrt(5) - 1) / 2;
  while (high - low > 1e-7) {
    const a = high - golden * (high - low), b = low + golden * (high - low);
    if (change(a) < change(b)) high = b;
    else low = a;
  }
  return Math.exp((low + high) / 2);
}
