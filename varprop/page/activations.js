// phi and phi', by the names of the package; tests hold each against varprop.activations.
// What is positively homogeneous comes from the package itself: its slopes, DATA.activations[name].slopes.

// erf by its series near 0, where every term is positive, else by the continued fraction of 1 - erf.
function erf(x) {
  return Math.abs(x) < 3 ? erfSeries(x) : Math.sign(x) * (1 - erfcTail(Math.abs(x)));
}

function erfSeries(x) {
  let term = x, sum = x;
  for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
    term *= (2 * x * x) / (2 * k + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function erfcTail(x) {
  let below = x;
  for (let k = 60; k >= 1; k--) below = x + k / 2 / below;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * below);
}

// P(Z < x), with its small tail kept to relative precision.
function normalCdf(x) {
  const t = x / Math.SQRT2;
  return t < -3 ? erfcTail(-t) / 2 : (1 + erf(t)) / 2;
}

const normalDensity = (x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sech2 = (x) => 1 / Math.cosh(Math.min(Math.abs(x), 350)) ** 2;

function mishSlope(x) {
  const t = Math.tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
}

const SMOOTH = {
  tanh: [Math.tanh, sech2],
  sigmoid: [sigmoid, (x) => sigmoid(x) * sigmoid(-x)],
  erf: [erf, (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x)],
  gelu: [(x) => x * normalCdf(x), (x) => normalCdf(x) + x * normalDensity(x)],
  silu: [(x) => x * sigmoid(x), (x) => sigmoid(x) + x * sigmoid(x) * sigmoid(-x)],
  elu: [(x) => (x > 0 ? x : Math.expm1(x)), (x) => (x > 0 ? 1 : Math.exp(x))],
  selu: [
    (x) => DATA.selu.scale * (x > 0 ? x : DATA.selu.alpha * Math.expm1(x)),
    (x) => DATA.selu.scale * (x > 0 ? 1 : DATA.selu.alpha * Math.exp(x)),
  ],
  softplus: [softplus, sigmoid],
  sin: [Math.sin, Math.cos],
  mish: [(x) => x * Math.tanh(softplus(x)), mishSlope],
  softsign: [(x) => x / (1 + Math.abs(x)), (x) => (1 + Math.abs(x)) ** -2],
  hardtanh: [(x) => Math.max(-1, Math.min(1, x)), (x) => (Math.abs(x) < 1 ? 1 : 0)],
};

// { phi, slope } of an activation.
function activationOf(name) {
  const slopes = DATA.activations[name].slopes;
  if (slopes) {
    const [left, right] = slopes;
    return { phi: (x) => (x > 0 ? right * x : left * x), slope: (x) => (x > 0 ? right : left) };
  }
  const [phi, slope] = SMOOTH[name];
  return { phi, slope };
}
