// Numbers and what happens, in sentences.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function tenTo(power) {
  const digits = [...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[digit]).join("");
  return `10${power < 0 ? "⁻" : ""}${digits}`;
}

// A positive number given by its logarithm, to three digits: 0.0173, 1.86 × 10⁻⁹.
function number(log) {
  if (log === -Infinity) return "0";
  const decades = log / Math.LN10;
  if (decades > -3.0005 && decades < 4.9995) return String(Number(Math.exp(log).toPrecision(3)));
  let power = Math.floor(decades), digits = Number((10 ** (decades - power)).toPrecision(3));
  if (digits === 10) [power, digits] = [power + 1, 1];
  return `${digits === 1 ? "" : `${digits} × `}${tenTo(power)}`;
}

const GREAT = [
  [12, "trillion", "a trillionth", "trillionths"],
  [9, "billion", "a billionth", "billionths"],
  [6, "million", "a millionth", "millionths"],
  [3, "thousand", "a thousandth", "thousandths"],
];
const COUNTS = ["", "", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

// What is left of something that was divided: "half", "9.5%", "two billionths", "one part in 3.3 million".
function share(log) {
  if (log === -Infinity) return "nothing";
  const value = Math.exp(log);
  if (value > 0.0095) return Math.abs(value - 0.5) < 0.005 ? "half" : `${Number((100 * value).toPrecision(2))}%`;
  for (const [power, , one, more] of GREAT) {
    const parts = Math.exp(log + power * Math.LN10);
    if (parts > 0.95 && parts < 1.05) return one;
    if (parts > 0.75 && parts < 1.5) return `about ${one}`;
    if (parts >= 1.5 && parts < 9.5) return `${COUNTS[Math.round(parts)]} ${more}`;
  }
  return `one part in ${count(-log)}`;
}

// "half of it is left", "two billionths of it are left".
const left = (log) => `${share(log)} of it ${/ths$/.test(share(log)) ? "are" : "is"} left`;

// A great number, to two digits: "3.3 million", "4.1 × 10¹⁸".
function count(log) {
  if (Math.exp(log) < 9950) return String(Number(Math.exp(log).toPrecision(2)));
  for (const [power, word] of GREAT) {
    const value = Number(Math.exp(log - power * Math.LN10).toPrecision(2));
    if (value >= 1 && value < 1000) return `${value} ${word}`;
  }
  return number(log);
}

// How many times as large: "twice", "3.2 times", "two billion times".
function times(log) {
  if (Math.abs(Math.exp(log) - 2) < 0.02) return "twice";
  if (log > 13.5 && Math.abs(log - Math.round(log / Math.LN10) * Math.LN10) < 0.05) {
    const word = GREAT.find(([power]) => power === Math.round(log / Math.LN10));
    if (word) return `a ${word[1]} times`;
  }
  return `${count(log)} times`;
}

// What one step does to something: "halves", "takes 12% off", "multiplies by 3.2".
function step(log, what) {
  const value = Math.exp(log);
  if (Math.abs(value - 0.5) < 0.005) return `halves ${what}`;
  if (Math.abs(value - 2) < 0.02) return `doubles ${what}`;
  if (value < 0.2) return `leaves ${share(log)} of ${what}`;
  if (value < 1) return `takes ${Number((100 * (1 - value)).toPrecision(2))}% off ${what}`;
  if (value < 1.5) return `adds ${Number((100 * (value - 1)).toPrecision(2))}% to ${what}`;
  return `multiplies ${what} by ${number(log)}`;
}

const KEPT = 0.05; // of a logarithm over all layers
const LOST = Math.log(1000);
const STEADY = 0.02; // of the spread of steps, over the largest

// What happens to a signal or gradient along `path`, logarithms in the order of travel: a word for it and a sentence.
function journey(path, what, each, ends) {
  const total = path.at(-1) - path[0], size = Math.abs(total);
  const steps = path.slice(1).map((log, i) => log - path[i]);
  const most = Math.max(...steps), least = Math.min(...steps), last = steps.at(-1);
  const [down, up] = size < LOST ? ["falling", "growing"] : ["vanishing", "exploding"];
  const fate = size <= Math.LN2 ? "kept" : total < 0 ? down : up;
  const far = total < 0 ? `${left(total)} at ${ends}` : `it is ${times(total)} as large at ${ends}`;
  if (Math.max(Math.abs(most), Math.abs(least)) * steps.length < KEPT) {
    return { fate: "kept", text: `${each} keeps ${what}, all the way to ${ends}.` };
  }
  if (most - least < STEADY * Math.max(Math.abs(most), Math.abs(least))) {
    return { fate, text: `${each} ${step(total / steps.length, what)}: ${far}.` };
  }
  const added = path.slice(1).map((log, i) => Math.exp(log) - Math.exp(path[i]));
  if (total > 0 && size < 20 && Math.max(...added) - Math.min(...added) < STEADY * Math.max(...added)) {
    return { fate, text: `${each} adds ${number(Math.log(added[0]))} to ${what}: ${far}.` };
  }
  const subject = what[0].toUpperCase() + what.slice(1);
  if (Math.abs(last) < 0.01) {
    return { fate, text: `${subject} settles: ${total < 0 ? left(total) : `it is ${times(total)} as large`} at ${ends}, and hardly changes there.` };
  }
  const first = Math.abs(steps[0]), middle = Math.abs(steps[steps.length >> 1]); // one odd step at an end is no trend
  const slower = Math.abs(last) < 0.7 * first && middle < 0.9 * first;
  const grows = total < 0 ? "falls" : "grows";
  return { fate, text: `${subject} ${grows}${slower ? ", ever more slowly" : ""}: ${far}.` };
}

const FLOAT32 = 38 * Math.LN10;

// The sentences under the heading: signal, gradient, and what else is to be said.
function story(settings, { signal, gradient, typical }) {
  const { activation, depth, block } = settings;
  const one = block === "plain" ? "layer" : "block";
  const narrow = typical && Math.abs(typical.signal.at(-1) - signal.at(-1)) > Math.LN2; // the mean is no typical network
  const each = narrow ? `In the mean each ${one}` : `Each ${one}`;
  if (depth === 1) {
    const gain = gainSquared(settings);
    return {
      signal: { fate: "one layer", text: `One layer: each neuron adds up ${settings.width} ${settings.width === 1 ? "product" : "products"}, and the mean square of z is ${number(signal[0])}, ${number(Math.log(gain))} times that of the inputs.` },
      gradient: { fate: "one layer", text: "With a single layer the gradient has no way to go." },
      notes: [],
    };
  }
  const notes = [];
  const bounded = !DATA.activations[activation].unbounded && activation !== "sin";
  const flat = Math.exp(signal.at(-2) / 2);
  if (bounded && block !== "prenorm" && flat > 3) {
    notes.push(`A typical z is ±${number(Math.log(flat))}, where ${activation} is flat: the units are saturated.`);
  }
  if (Math.max(...signal, ...gradient) > FLOAT32 || Math.min(...signal, ...gradient) < -FLOAT32) {
    notes.push("Somewhere that is beyond 10³⁸ or below 10⁻³⁸, more than float32 holds: a computer would see infinity or 0.");
  }
  return {
    signal: journey(signal, "the signal", each, `layer ${depth}`),
    gradient: journey([...gradient].reverse(), "the gradient", narrow ? `On the way back, in the mean, each ${one}` : `On the way back each ${one}`, "layer 1"),
    notes,
  };
}

// The logarithm in the middle of a list.
function middle(logs) {
  const sorted = [...logs].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

// How far networks of this width are from the line, at the last layer: sentences. The typical one stands for those drawn where it
// is known.
function scatter(settings, line, networks) {
  const last = networks.map(({ signal }) => signal.at(-1));
  const dead = last.filter((log) => log === -Infinity).length;
  const off = line.typical ? line.typical.signal.at(-1) - line.signal.at(-1) : middle(last) - line.signal.at(-1);
  const found = [];
  if (dead) found.push(`${dead} of ${last.length} networks ${dead === 1 ? "is" : "are"} dead: every activation of a layer is 0, and so is all above.`);
  if (Number.isFinite(off) && Math.abs(off) > Math.LN2) {
    found.push(
      `Width ${settings.width} is narrow for this depth: ${line.typical ? `a typical ${dead ? "living " : ""}network` : `the middle one of ${last.length} networks`} has ` +
        `${off < 0 ? `${share(off)} of` : times(off)} what the line says. ` +
        (line.typical ? "The line is right for the mean over all networks: a few rare, large ones carry it." : "The line is of infinite width."),
    );
  }
  return found;
}

// What the lecture says of weights, by activation: an initializer and why.
const RULES = {
  linear: ["lecun", "n terms of variance Var(w) add up, so Var(W) = 1/n keeps the signal."],
  relu: ["he", "ReLU drops half of the mean square, so Var(W) = 2/n puts it back."],
  leaky_relu: ["he", "leaky ReLU drops nearly half of the mean square, so Var(W) = 2/n nearly puts it back."],
  tanh: ["lecun", "near 0 tanh is a straight line, so Var(W) = 1/n; since it flattens, tune a multiplier above 1."],
};
const LIKE_TANH = ["erf", "hardtanh", "softsign", "sin"];

// { weights, multiplier, text } of what the lecture would do; weights is null where it has no rule.
function lecture({ activation, block, depth }) {
  let [weights, text] = RULES[activation] ?? [null, ""];
  if (LIKE_TANH.includes(activation)) [weights, text] = ["lecun", `like tanh, ${activation} is nearly a line near 0: start from Var(W) = 1/n, then tune the multiplier.`];
  if (activation === "sigmoid") text = "no rule: sigmoid's slope is at most ¼, so every layer takes most of the gradient. The lecture would take tanh.";
  else if (!weights) [weights, text] = ["he", `no rule of its own: ${activation} is close to ReLU for large z, so start from 2/n, then tune the multiplier.`];
  if (block === "residual") text += " In a residual network the skip path adds to that: a multiplier of 1/depth keeps the sum within a factor of e.";
  if (block === "prenorm") text += " Behind a norm the signal grows by a sum, not by a product, whatever the rule.";
  return { weights, multiplier: block === "residual" ? Number((1 / depth).toPrecision(3)) : 1, text };
}
