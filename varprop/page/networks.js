// The dots: random networks of finite width, drawn by the law that varprop's own sampler uses. Given a layer's
// activations a, the next layer's W a is N(0, Var(W) |a|^2) in each unit, independently, so n draws stand for n^2
// weights, and nothing is approximated. Backwards, given h = W a, W^T delta is
// a (h . delta) / |a|^2 + sqrt(Var(W)) |delta| (r - a (a . r) / |a|^2), r ~ N(0, I).

// Normal numbers from a seed: sfc32, and the polar method of Marsaglia.
function normals(...seed) {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
  const bits = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (const part of seed) {
    a ^= part;
    for (let i = 0; i < 16; i++) bits();
  }
  let spare = null;
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    for (;;) {
      const x = (bits() + 0.5) / 2 ** 31 - 1, y = (bits() + 0.5) / 2 ** 31 - 1, s = x * x + y * y;
      if (s < 1) {
        const scale = Math.sqrt((-2 * Math.log(s)) / s);
        spare = y * scale;
        return x * scale;
      }
    }
  };
}

// n numbers of a function without arguments.
function list(n, next) {
  const found = new Float64Array(n);
  for (let i = 0; i < n; i++) found[i] = next();
  return found;
}

// Whatever `f` makes of each number of x and its place.
function each(x, f) {
  const found = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) found[i] = f(x[i], i);
  return found;
}

const mean = (x) => x.reduce((sum, value) => sum + value, 0) / x.length;

function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

// Divide x by its root mean square, and return the logarithm of that.
function normalise(x) {
  const root = Math.sqrt(dot(x, x) / x.length);
  if (root > 0) for (let i = 0; i < x.length; i++) x[i] /= root;
  return Math.log(root);
}

// { signal, gradient } of network number `index`: logarithms of the means of z^2 and of delta^2 over the units of each
// layer. -Infinity is a layer of zeros. Values are held as e^scale times numbers of order one.
function drawNetwork(settings, index) {
  const { activation, width, depth, input, block, seed } = settings;
  const { phi, slope } = activationOf(activation);
  const weight = Math.sqrt(gainSquared(settings) / width);
  const forward = normals(seed, index, 1), backward = normals(seed, index, 2);
  const signal = new Array(depth), gradient = new Array(depth), layers = [null];

  let z = list(width, forward);
  let scale = normalise(z) + Math.log(weight * Math.sqrt(width) * input);
  signal[0] = 2 * scale;
  for (let l = 1; l < depth; l++) {
    // what phi sees, and the scale at which it may be seen: beyond, phi is a straight line
    const seen = Math.max(-FAR / 2, Math.min(FAR / 2, scale));
    const size = Math.exp(seen);
    let u, spread = 1;
    if (block === "prenorm") {
      const middle = mean(z);
      u = each(z, (value) => (value - middle) * size);
      spread = Math.sqrt(dot(u, u) / width + DATA.eps);
      for (let i = 0; i < width; i++) u[i] /= spread;
    } else {
      u = each(z, (value) => value * size);
    }
    const a = each(u, phi), norm = Math.sqrt(dot(a, a));
    const g = list(width, forward); // W a is sqrt(Var(W)) |a| g
    const skip = block === "plain" ? 0 : size;
    z = each(z, (value, i) => skip * value + weight * norm * g[i]);
    scale += normalise(z) - seen;
    signal[l] = 2 * scale;
    layers.push({ u, a, norm, g, spread });
  }

  let delta = list(width, backward);
  scale = normalise(delta);
  gradient[depth - 1] = 2 * scale;
  for (let l = depth - 1; l > 0; l--) {
    const { u, a, norm, g, spread } = layers[l];
    const r = list(width, backward);
    const length = Math.sqrt(dot(delta, delta));
    const along = norm > 0 ? (dot(g, delta) - (length * dot(a, r)) / norm) / norm : 0;
    const back = each(u, (value, i) => slope(value) * weight * (a[i] * along + length * r[i]));
    if (block === "prenorm") {
      const middle = mean(back), radial = dot(u, back) / width;
      for (let i = 0; i < width; i++) back[i] = (back[i] - middle - u[i] * radial) / spread;
    }
    delta = block === "plain" ? back : each(back, (value, i) => value + delta[i]);
    scale += normalise(delta);
    gradient[l - 1] = 2 * scale;
  }
  return { signal, gradient };
}
