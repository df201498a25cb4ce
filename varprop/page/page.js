// The controls, the address and what is shown.

const NETWORKS = 16;
const CHOICES = {
  width: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
  depth: Array.from({ length: 100 }, (_, i) => i + 1),
  multiplier: [
    0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 1,
    1.02, 1.04, 1.06, 1.08, 1.1, 1.12, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.25, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10,
  ],
  input: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100],
};
const LIMITS = { width: [1, 1024], depth: [1, 100], multiplier: [1e-4, 1e4], input: [1e-3, 1e3], seed: [0, 1e9] };
const WHOLE = ["width", "depth", "seed"];
const BLOCKS = ["plain", "residual", "prenorm"];
const START = { activation: "relu", weights: "lecun", multiplier: 1, width: 64, depth: 30, input: 1, block: "plain", seed: 1 };

const find = (id) => document.getElementById(id);
let settings = { ...START };
let asked = 0; // counts what was asked, so that an older drawing ends
let drawn = null; // what the figures show

// Settings from the address behind #, and a word on what is no setting.
function readAddress(hash = location.hash) {
  const found = { ...START }, refused = [];
  for (const [key, text] of new URLSearchParams(hash.slice(1))) {
    const value = key in LIMITS ? Number(text) : text;
    const fits =
      key === "activation" ? Object.hasOwn(DATA.activations, value)
      : key === "weights" ? Object.hasOwn(DATA.initializers, value)
      : key === "block" ? BLOCKS.includes(value)
      : key in LIMITS && text !== "" && value >= LIMITS[key][0] && value <= LIMITS[key][1] && (!WHOLE.includes(key) || Number.isInteger(value));
    if (fits) found[key] = value;
    else refused.push(`${key}=${text}`);
  }
  return { found, refused };
}

function address() {
  return "#" + new URLSearchParams(Object.entries(settings).map(([key, value]) => [key, String(value)]));
}

// The lecture's steps are the links of the list; `stepTaken` is the last one, from 0 on, -1 before the first.
const steps = [...document.querySelectorAll(".steps a")];
let stepTaken = -1;

function showStep() {
  const same = (link) => JSON.stringify({ ...readAddress(link.hash).found, seed: 0 }) === JSON.stringify({ ...settings, seed: 0 });
  const here = location.hash ? steps.findIndex(same) : -1;
  if (here >= 0) stepTaken = here;
  find("step").textContent = here < 0 ? `The lecture in ${steps.length} steps.` : `Step ${here + 1} of ${steps.length}. ${steps[here].parentElement.textContent}`;
  find("back").disabled = stepTaken < 1;
  find("next").disabled = stepTaken === steps.length - 1;
}

function change(part, said = "") {
  settings = { ...settings, ...part };
  history.replaceState(null, "", address());
  find("message").textContent = said;
  show();
}

function nearest(list, value) {
  return list.reduce((best, one, i) => (Math.abs(Math.log(one / value)) < Math.abs(Math.log(list[best] / value)) ? i : best), 0);
}

const RULE = { unit: "1", lecun: "1/n", glorot: "2/(n + n)", he: "2/n" };

// What a law is at this width, as the lecture writes it.
function lawWords() {
  const { weights, multiplier } = settings;
  return multiplier === 1 ? RULE[weights] : `${shown(multiplier)} × ${RULE[weights]}`;
}

const shown = (value) => String(Number(value.toPrecision(4)));

function show() {
  const line = { ...theory(settings), typical: typicalNetwork(settings) };
  showControls();
  showStep();
  showStory(line);
  find("key-line").textContent = line.typical ? "theory, the mean at every width" : "theory, infinite width";
  find("key-typical").hidden = !line.typical;
  showTable(line, []);
  showCode();
  drawAll(line, []);
  drawNetworks(line, ++asked);
}

// Draw networks for a while, let the page breathe, go on.
function drawNetworks(line, mine) {
  const networks = [];
  const go = () => {
    if (mine !== asked) return;
    const end = performance.now() + 30;
    while (networks.length < NETWORKS && performance.now() < end) networks.push(drawNetwork(settings, networks.length));
    drawAll(line, networks);
    if (networks.length < NETWORKS) return void setTimeout(go);
    showTable(line, networks);
    showNotes(line, networks);
    document.body.dataset.drawn = address();
  };
  setTimeout(go);
}

function drawAll(line, networks) {
  drawn = { line, networks };
  for (const side of ["signal", "gradient"]) drawChart(find(`${side}-chart`), line[side], line.typical?.[side], networks.map((network) => network[side]));
}

function showControls() {
  find("activation").value = settings.activation;
  for (const name of ["weights", "block"]) document.querySelector(`input[name=${name}][value=${settings[name]}]`).checked = true;
  for (const name of Object.keys(CHOICES)) {
    const slider = find(name), text = name === "multiplier" ? `× ${shown(settings[name])}` : shown(settings[name]);
    slider.value = nearest(CHOICES[name], settings[name]);
    slider.setAttribute("aria-valuetext", text);
    find(`${name}-value`).textContent = text;
  }
}

function showStory(line) {
  const said = story(settings, line);
  for (const side of ["signal", "gradient"]) {
    find(`${side}-story`).textContent = said[side].text;
    find(`${side}-fate`).textContent = said[side].fate;
    find(`${side}-fate`).dataset.fate = said[side].fate;
  }
  const { activation, block, depth, width } = settings;
  const blocks = { plain: "", residual: ", residual", prenorm: ", residual behind a norm" }[block];
  find("asked").textContent = `${activation}, Var(W) = ${lawWords()}, ${depth} ${depth === 1 ? "layer" : "layers"} of ${width} ${width === 1 ? "unit" : "units"}${blocks}`;
  const { weights, multiplier, text } = lecture(settings);
  const follows = weights === settings.weights && multiplier === settings.multiplier;
  find("lecture").textContent = `The lecture: ${text}${follows ? " Its rule is set here." : ""}`;
  find("follow").hidden = weights === null || follows;
  find("follow").textContent = weights === null ? "" : `Set Var(W) = ${multiplier === 1 ? "" : `${shown(multiplier)} × `}${RULE[weights]}`;
  showNotes(line, []);
}

function showNotes(line, networks) {
  const notes = [...story(settings, line).notes, ...(settings.depth > 1 ? scatter(settings, line, networks) : [])];
  find("notes").textContent = notes.join(" ");
  if (settings.depth === 1) return;
  for (const side of ["signal", "gradient"]) {
    const end = side === "signal" ? settings.depth - 1 : 0;
    const usual = line.typical ? line.typical[side][end] : middle(networks.map((network) => network[side][end]));
    const off = networks.length ? usual - line[side][end] : 0;
    if (!(Math.abs(off) < LOST)) find(`${side}-fate`).textContent += ", in the mean";
  }
}

function cell(log) {
  const made = document.createElement("td");
  if (log === undefined) return made;
  made.textContent = number(log);
  made.dataset.value = Math.exp(log);
  made.dataset.log = log;
  return made;
}

function showTable(line, networks) {
  const rows = line.signal.map((_, l) => {
    const row = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.textContent = l + 1;
    row.append(head);
    for (const side of ["signal", "gradient"]) {
      row.append(cell(line[side][l]), cell(line.typical?.[side][l]));
      row.append(cell(networks.length ? middle(networks.map((network) => network[side][l])) : undefined));
    }
    return row;
  });
  find("numbers").replaceChildren(...rows);
}

// The same question in Python.
function showCode() {
  const { activation, weights, multiplier, width, depth, input, block } = settings;
  const more = multiplier === 1 ? "" : `, multiplier=${multiplier}`;
  const plain = block === "plain";
  const inner = block === "prenorm" ? `LayerNorm(), "${activation}", dense` : `"${activation}", dense`;
  const names = block === "prenorm" ? "Dense, LayerNorm, Residual" : "Dense, Residual";
  find("code").textContent = [
    "import numpy as np",
    "",
    "from varprop import Network, theory",
    ...(plain
      ? ["", `network = Network([${width}] * ${depth + 1}, "${activation}", "${weights}"${more})`]
      : [
          `from varprop.layers import ${names}`,
          "",
          `dense = Dense(${width}, "${weights}"${more})`,
          `network = Network.sequential(${width}, dense, *[Residual(${inner})] * ${depth - 1})`,
        ]),
    `x = np.full(${width}, ${Number.isInteger(input) ? input.toFixed(1) : input})`,
    'print(theory.forward(network, x, order="infinite"))',
    'print(theory.backward(network, x, order="infinite"))',
  ].join("\n");
}

function start() {
  find("version").textContent = DATA.version;
  for (const name of Object.keys(DATA.activations)) find("activation").append(new Option(name, name));
  for (const [name, list] of Object.entries(CHOICES)) {
    const slider = find(name);
    Object.assign(slider, { min: 0, max: list.length - 1, step: 1 });
    slider.addEventListener("input", () => change({ [name]: list[slider.value] }));
  }
  find("activation").addEventListener("change", (event) => change({ activation: event.target.value }));
  for (const input of document.querySelectorAll("input[type=radio]")) {
    input.addEventListener("change", () => change({ [input.name]: input.value }));
  }
  find("again").addEventListener("click", () => change({ seed: settings.seed + 1 }));
  find("follow").addEventListener("click", () => {
    const { weights, multiplier } = lecture(settings);
    change({ weights, multiplier });
  });
  find("tune").addEventListener("click", () => {
    const found = tunedMultiplier(settings);
    if (found === null) find("message").textContent = "No multiplier from 0.0001 to 10,000 keeps signal and gradient better than all others.";
    else change({ multiplier: Number(found.toPrecision(4)) }, `The multiplier ${shown(found)} changes signal and gradient least from first to last layer.`);
  });
  for (const [id, way] of [["back", -1], ["next", 1]]) find(id).addEventListener("click", () => (location.hash = steps[stepTaken + way].hash));
  for (const link of document.querySelectorAll("main a")) link.addEventListener("click", () => find("walk").scrollIntoView());
  const load = () => {
    const { found, refused } = readAddress();
    settings = found;
    find("message").textContent = refused.length ? `The address holds ${refused.join(", ")}, which is no setting of this page; the usual one is shown.` : "";
    show();
  };
  window.addEventListener("hashchange", load);
  new ResizeObserver(() => drawn && drawAll(drawn.line, drawn.networks)).observe(find("signal-chart"));
  load();
}

start();
