// The page: a drawing or a picture becomes an image, and each model's card shows what it makes of it.

/** Larger pictures are refused, before they are decoded. */
const MOST_FILE_BYTES = 64e6;
const MOST_PIXELS = 50e6;

/** Longer sides are reduced to this before a picture is converted, so that the page stays quick. */
const LONGEST_SIDE = 1000;

/** Sides of the drawing area and of the black frame around it, the width of the pen and its steps, in pixels. */
const PAD = 224;
const FRAME = 8;
const PEN = 18;
const STEP = 7;

/** Number of bars of a histogram, and of classes on a card. */
const BINS = 32;
const SHOWN_CLASSES = 10;

const element = (id) => document.getElementById(`draw-${id}`);
const data = JSON.parse(element("models").textContent);
const { shape, classes, prepares } = data;
const size = shape.channels * shape.height * shape.width;
const models = data.models.map((trained) => new Model(trained, shape));

window.mnistTrainer = {
  /** Classifies an image: bytes, channels × height × width. */
  classify(image) {
    if (!(image instanceof Uint8Array) || image.length !== size) {
      throw new TypeError(`classify takes a Uint8Array of ${size} bytes: channels × height × width`);
    }
    return models.map((model) => ({
      model: model.name,
      probabilities: model.probabilities(model.scaling.apply(image)),
    }));
  },
};

/** The image before the sliders change it. */
let original = new Uint8Array(size);
/** Whether `original` shows anything. */
let isBlank = true;

/** Multiplies pixels by the contrast and adds the brightness. */
function adjusted(image, brightness, contrast) {
  return image.map((pixel) => toByte(contrast * pixel + brightness));
}

const brightness = () => Number(element("brightness").value);
/** The slider is logarithmic: a tenth, the same, ten times. */
const contrastAt = (value) => 10 ** value;
const contrast = () => contrastAt(Number(element("contrast").value));

// ---- Numbers and words ----

const short = (number) => String(Number(number.toPrecision(3))).replace("-", "−");
const percent = (probability) => `${(100 * probability).toFixed(1)}%`;

function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Creates an element with a class and a text, which may contain markup. */
function create(tag, className, text = "") {
  const created = document.createElement(tag);
  created.className = className;
  created.textContent = text;
  return created;
}

// ---- A card per model ----

class Card {
  constructor(model, { color, arm }) {
    this.model = model;
    this.axis = fixedAxis(model.scaling);
    this.root = create("article", "draw-card");
    this.root.style.setProperty("--arm", color);
    // A report's legend shows and hides what belongs to an arm.
    if (arm !== null) this.root.dataset.arm = arm;
    this.answer = create("p", "draw-answer");
    this.picture = create("canvas", "");
    this.picture.width = shape.width;
    this.picture.height = shape.height;
    this.picture.setAttribute("role", "img");
    this.picture.setAttribute("aria-label", `The image under ${model.name}`);
    this.histogram = element("histogram").content.firstElementChild.cloneNode(true);
    this.histogram.setAttribute("viewBox", `0 0 ${BINS} 16`);
    [this.bars, this.zero] = this.histogram.children;
    this.ends = create("p", "draw-ends");
    this.ends.append(create("span", ""), create("span", ""));
    this.numbers = create("p", "numbers");
    const plot = create("div", "draw-plot");
    plot.append(this.histogram, this.ends);
    const scaled = create("div", "draw-scaled");
    scaled.append(this.picture, plot);
    this.probabilities = create("ol", "draw-bars");
    this.rows = Array.from({ length: Math.min(SHOWN_CLASSES, classes.length) }, () => {
      const row = create("li", "");
      row.append(create("span", "draw-class"), create("span", "draw-bar"), create("span", "draw-percent"));
      row.children[1].append(create("span", ""));
      this.probabilities.append(row);
      return row;
    });
    const heading = create("h3", "");
    heading.append(create("span", "draw-swatch"), model.name);
    this.root.append(heading, this.answer, scaled, this.numbers, this.probabilities);
  }

  /** Shows the scaled image and the model's answer. `neutral` is its answer without the sliders. */
  show(scaled, probabilities, neutral) {
    const axis = this.axis ?? symmetricAxis(scaled);
    paint(this.picture, scaled, axis);
    this.showHistogram(scaled, axis);
    const best = mostProbable(probabilities);
    const changed = best !== neutral;
    this.answer.textContent = isBlank ? "–" : classes[best];
    this.root.classList.toggle("draw-changed", changed);
    if (changed) this.answer.append(create("span", "draw-before", ` was ${classes[neutral]} before the sliders`));
    // A few classes keep their places. Of many, the most probable ones are shown.
    let shown = probabilities.map((_, index) => index);
    if (classes.length > SHOWN_CLASSES) shown.sort((a, b) => probabilities[b] - probabilities[a]);
    this.rows.forEach((row, index) => {
      const [name, bar, number] = row.children;
      name.textContent = name.title = classes[shown[index]];
      bar.firstChild.style.width = `${100 * (isBlank ? 0 : probabilities[shown[index]])}%`;
      number.textContent = isBlank ? "" : percent(probabilities[shown[index]]);
      row.classList.toggle("draw-best", !isBlank && shown[index] === best);
    });
  }

  showHistogram(scaled, [low, high]) {
    const counts = new Float64Array(BINS);
    let [min, max, sum, squares] = [Infinity, -Infinity, 0, 0];
    for (const value of scaled) {
      const bin = Math.floor(((value - low) / (high - low)) * BINS);
      counts[Math.min(Math.max(bin, 0), BINS - 1)] += 1;
      [min, max] = [Math.min(min, value), Math.max(max, value)];
      sum += value;
      squares += value * value;
    }
    const mean = sum / scaled.length;
    const std = Math.sqrt(Math.max(0, squares / scaled.length - mean * mean));
    const most = Math.log1p(scaled.length);
    const bars = Array.from(counts, (count, bin) => {
      const top = 16 - (16 * Math.log1p(count)) / most;
      return `M${bin} 16V${top}H${bin + 0.9}V16Z`;
    });
    this.bars.setAttribute("d", bars.join(""));
    const zero = ((0 - low) / (high - low)) * BINS;
    this.zero.setAttribute("d", zero >= 0 && zero <= BINS ? `M${zero} 0V16` : "");
    this.ends.children[0].textContent = short(low);
    this.ends.children[1].textContent = short(high);
    const near = (number) => short(Math.abs(number) < 1e-6 * (high - low) ? 0 : number);
    const words = `min ${near(min)} · max ${near(max)} · mean ${near(mean)} · std ${near(std)}`;
    this.numbers.textContent = words;
    this.histogram.setAttribute("aria-label", `Histogram of the scaled pixels: ${words}`);
  }
}

/** Returns the smallest and the largest value that a scaling can have, if it does not depend on the other pixels. */
function fixedAxis(scaling) {
  if (scaling.whitening || scaling.steps.samplewise_center) return null;
  const values = [0, 255].flatMap((pixel) => Array.from(scaling.apply(new Uint8Array(size).fill(pixel))));
  const [low, high] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [0, 0]);
  return high > low ? [low, high] : [low, low + 1];
}

/** Returns an axis around zero that ends at 1, 2 or 5 times a power of ten, so that it seldom changes. */
function symmetricAxis(values) {
  const most = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const end = [1, 2, 5, 10].map((factor) => factor * power).find((end) => end >= most * (1 - 1e-9)) ?? most;
  return [-end, end];
}

/** Paints an image on a canvas of its size, `low` in black and `high` in white. */
function paint(canvas, values, [low, high]) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(shape.width, shape.height);
  const plane = shape.height * shape.width;
  for (let i = 0; i < plane; i++) {
    for (let color = 0; color < 3; color++) {
      const value = values[shape.channels === 3 ? color * plane + i : i];
      pixels.data[4 * i + color] = toByte((255 * (value - low)) / (high - low));
    }
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

// ---- From the controls to the cards ----

const cards = models.map((model, index) => new Card(model, data.models[index]));
let isScheduled = false;
/** Whether the drawing changed since it was read. */
let isPadChanged = false;

/** Updates the page before the browser draws the next frame, however many events came. */
function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    if (isPadChanged) readPad();
    isScheduled = false;
    update();
  });
}

function update() {
  const isNeutral = brightness() === 0 && Number(element("contrast").value) === 0;
  const image = isNeutral ? original : adjusted(original, brightness(), contrast());
  element("brightness-value").textContent = brightness();
  element("contrast-value").textContent = `× ${short(contrast())}`;
  paint(element("image"), image, [0, 255]);
  const answers = cards.map((card) => {
    const { model } = card;
    const scaled = model.scaling.apply(image);
    const probabilities = model.probabilities(scaled);
    const answer = mostProbable(probabilities);
    if (isNeutral) card.neutral = answer;
    card.show(scaled, probabilities, isBlank ? answer : neutralAnswer(card));
    return answer;
  });
  summarize(answers);
}

/** Says whether the models agree, and marks the cards of a minority, unless the sliders changed answers. */
function summarize(answers) {
  const groups = new Map();
  answers.forEach((answer, index) => groups.set(answer, [...(groups.get(answer) ?? []), models[index].name]));
  const most = Math.max(...Array.from(groups.values(), (names) => names.length));
  const isChanged = cards.some((card) => card.root.classList.contains("draw-changed"));
  cards.forEach((card, index) => {
    const isMinority = !isBlank && !isChanged && groups.size > 1 && groups.get(answers[index]).length < most;
    card.root.classList.toggle("draw-minority", isMinority);
  });
  let text;
  if (isBlank) {
    text = "Nothing is drawn yet.";
  } else if (groups.size === 1) {
    const who = models.length === 1 ? "The model answers" : `All ${models.length} models answer`;
    text = `${who} ${classes[answers[0]]}.`;
  } else {
    const parts = Array.from(groups, ([answer, names]) => `${classes[answer]} (${list(names)})`);
    text = `The models disagree: ${parts.join(", ")}.`;
  }
  if (element("summary").textContent !== text) element("summary").textContent = text;
}

/** Returns a model's answer without the sliders. */
function neutralAnswer(card) {
  card.neutral ??= answerOf(card.model, original);
  return card.neutral;
}

function answerOf(model, image) {
  return mostProbable(model.probabilities(model.scaling.apply(image)));
}

/** Shows another image. */
function show(image, blank) {
  original = image;
  isBlank = blank;
  isPadChanged = false;
  for (const card of cards) card.neutral = undefined;
  schedule();
  findLimits();
}

// ---- Which scaling breaks first ----

/** Distances of the sliders from neutral at which the models are tried. */
const TRIED = Array.from({ length: 17 }, (_, i) => (i + 1) / 17);

/** What the table of limits tries: a name, the image at a distance, and how the distance is called. */
const TRIALS = [
  ["brighter", (image, distance) => adjusted(image, Math.round(255 * distance), 1), (d) => `+${Math.round(255 * d)}`],
  ["darker", (image, distance) => adjusted(image, -Math.round(255 * distance), 1), (d) => `−${Math.round(255 * d)}`],
  ["more contrast", (image, distance) => adjusted(image, 0, contrastAt(distance)), (d) => `× ${short(contrastAt(d))}`],
  ["less contrast", (image, distance) => adjusted(image, 0, contrastAt(-distance)), (d) => `× ${short(contrastAt(-d))}`],
];

/** Counts the images whose limits were looked for. */
let sweep = 0;

/** Finds for each model how far it keeps its answer, a step at a time, so that drawing stays quick. */
function findLimits() {
  const current = ++sweep;
  element("limits").hidden = true;
  if (isBlank) return;
  const image = original;
  const limits = models.map(() => TRIALS.map(() => null));
  const steps = TRIALS.flatMap((trial, column) => TRIED.map((distance) => ({ trial, column, distance })));
  const next = () => {
    if (current !== sweep) return;
    const step = steps.shift();
    if (!step) return showLimits(limits);
    const { trial: [, at, name], column, distance } = step;
    const tried = at(image, distance);
    cards.forEach((card, row) => {
      if (limits[row][column] !== null) return;
      if (answerOf(card.model, tried) !== neutralAnswer(card)) limits[row][column] = name(distance);
    });
    setTimeout(next);
  };
  setTimeout(next, 300);
}

function showLimits(limits) {
  const table = create("table", "");
  const caption = create("caption", "", "The answer changes at");
  const head = table.createTHead().insertRow();
  table.prepend(caption);
  for (const name of ["model", ...TRIALS.map(([name]) => name)]) {
    const cell = create("th", "", name);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  models.forEach((model, row) => {
    const line = body.insertRow();
    const name = create("th", "", model.name);
    name.scope = "row";
    line.append(name, ...limits[row].map((limit) => create("td", "", limit ?? "never")));
  });
  const scroll = create("div", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", "Where each model changes its answer");
  scroll.append(table);
  element("limits").replaceChildren(scroll);
  element("limits").hidden = false;
}

// ---- Drawing ----

const pad = element("canvas");
const ink = pad.getContext?.("2d", { willReadFrequently: true });
const longest = Math.max(shape.width, shape.height);
const scale = PAD / longest;

/** Whether the pad shows a picture, which the next stroke removes. */
let showsPicture = false;

function clearPad() {
  ink.fillStyle = "black";
  ink.fillRect(0, 0, pad.width, pad.height);
  showsPicture = false;
}

function clear() {
  clearPad();
  say("");
  show(new Uint8Array(size), true);
}

/** Draws a line, or a dot if both ends are the same. */
function stroke(from, to) {
  if (showsPicture) clearPad();
  say("");
  ink.strokeStyle = ink.fillStyle = element("ink")?.value ?? "white";
  ink.lineWidth = PEN;
  ink.lineCap = "round";
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
  // A line without length leaves no trace.
  ink.beginPath();
  ink.arc(...to, PEN / 2, 0, 2 * Math.PI);
  ink.fill();
  isPadChanged = true;
  schedule();
}

/** Converts the drawing. Strokes at the edge are on black paper too, so a frame is added before preparing. */
function readPad() {
  const rgba = ink.getImageData(0, 0, pad.width, pad.height);
  if (!prepares) return show(resizedImage(rgba, shape), !rgba.data.some((byte, i) => i % 4 < 3 && byte > 0));
  const drawn = grayscale(rgba);
  const [width, height] = [drawn.width + 2 * FRAME, drawn.height + 2 * FRAME];
  const values = new Uint8Array(width * height);
  for (let y = 0; y < drawn.height; y++) {
    values.set(drawn.values.subarray(y * drawn.width, (y + 1) * drawn.width), (y + FRAME) * width + FRAME);
  }
  showPrepared({ width, height, values });
}

function showPrepared(picture) {
  try {
    show(prepare(picture), false);
    return true;
  } catch (error) {
    if (!(error instanceof Blank)) throw error;
    show(new Uint8Array(size), true);
    return false;
  }
}

let pen = null;

function position(event) {
  const box = pad.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * pad.width) / box.width,
    ((event.clientY - box.top) * pad.height) / box.height,
  ];
}

function startStroke(event) {
  if (event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  pen = position(event);
  stroke(pen, pen);
}

function continueStroke(event) {
  if (!pen) return;
  // A fast pen moves several times between two events. Some browsers do not tell.
  const moves = event.getCoalescedEvents?.() ?? [];
  for (const move of moves.length > 0 ? moves : [event]) {
    const to = position(move);
    stroke(pen, to);
    pen = to;
  }
}

function endStroke() {
  pen = null;
}

// ---- Drawing with the keyboard ----

const keyPen = { x: 0, y: 0, isDown: false };
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function pressKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const direction = DIRECTIONS[event.key];
  if (direction) {
    const from = [keyPen.x, keyPen.y];
    keyPen.x = Math.min(Math.max(keyPen.x + STEP * direction[0], 0), pad.width);
    keyPen.y = Math.min(Math.max(keyPen.y + STEP * direction[1], 0), pad.height);
    if (keyPen.isDown) stroke(from, [keyPen.x, keyPen.y]);
  } else if (event.key === " ") {
    keyPen.isDown = !keyPen.isDown;
    if (keyPen.isDown) stroke([keyPen.x, keyPen.y], [keyPen.x, keyPen.y]);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clear();
  } else {
    return;
  }
  event.preventDefault();
  movePen();
}

function movePen() {
  const marker = element("pen");
  marker.style.left = `${(100 * keyPen.x) / pad.width}%`;
  marker.style.top = `${(100 * keyPen.y) / pad.height}%`;
  marker.classList.toggle("draw-down", keyPen.isDown);
}

// ---- Pictures ----

/** Shows a message under the drawing area. */
function say(message) {
  element("message").textContent = message;
}

/** Loads a picture. The browser reads its size before it decodes it, so a huge one costs nothing. */
async function openPicture(file) {
  say("");
  const picture = new Image();
  const address = URL.createObjectURL(file);
  try {
    if (file.size > MOST_FILE_BYTES) throw new Error(`it has ${Math.round(file.size / 1e6)} megabytes; the limit is ${MOST_FILE_BYTES / 1e6}`);
    await new Promise((resolve, reject) => {
      picture.onload = resolve;
      picture.onerror = () => reject(new Error("it is not a picture, or of a kind that this browser does not know"));
      picture.src = address;
    });
    const { naturalWidth: width, naturalHeight: height } = picture;
    if (width * height === 0) throw new Error("it has no size in pixels");
    if (width * height > MOST_PIXELS) throw new Error(`it has ${Math.round((width * height) / 1e6)} megapixels; the limit is ${MOST_PIXELS / 1e6}`);
    let source = reduced(picture, width, height);
    if (source.rgba.data.some((byte, i) => i % 4 === 3 && byte < 255)) {
      const opaque = await withoutTransparency(file).catch(() => {
        throw new Error("this browser cannot read its transparent pixels");
      });
      source = reduced(opaque, width, height);
    }
    usePicture(source);
  } catch (error) {
    // A name may have any length.
    const name = file.name.length > 40 ? `${file.name.slice(0, 40)}…` : file.name;
    say(`Cannot use ${name}: ${error.message}.`);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Returns a picture on a canvas, smaller if it is large, with its pixels. */
function reduced(picture, width, height) {
  const reduction = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const canvas = create("canvas", "");
  canvas.width = Math.max(1, Math.round(width * reduction));
  canvas.height = Math.max(1, Math.round(height * reduction));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return { canvas, rgba: context.getImageData(0, 0, canvas.width, canvas.height) };
}

/**
 * Returns a canvas with the colors of transparent pixels, as mnist-trainer reads them. A 2D canvas forgets these colors,
 * but a texture keeps them.
 */
async function withoutTransparency(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const pixels = new ImageData(bitmap.width, bitmap.height);
  const gl = create("canvas", "").getContext("webgl");
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels.data);
  // A picture may be larger than the largest texture.
  if (gl.getError() !== gl.NO_ERROR) throw new RangeError();
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = 255;
  const canvas = create("canvas", "");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function usePicture({ canvas, rgba }) {
  clearPad();
  const fit = Math.min(pad.width / canvas.width, pad.height / canvas.height);
  const [shownWidth, shownHeight] = [canvas.width * fit, canvas.height * fit];
  ink.drawImage(canvas, (pad.width - shownWidth) / 2, (pad.height - shownHeight) / 2, shownWidth, shownHeight);
  showsPicture = true;
  const hasSize = canvas.width === shape.width && canvas.height === shape.height;
  if (hasSize || !prepares) {
    show(resizedImage(rgba, shape), false);
  } else if (!showPrepared(grayscale(rgba))) {
    throw new Error("no ink found; a digit must be darker or brighter than the plain paper around it");
  }
}

function drop(event) {
  event.preventDefault();
  element("drop").classList.remove("draw-over");
  const file = event.dataTransfer.files[0];
  if (file) openPicture(file);
  else say("Drop an image file.");
}

// ---- Start ----

function start() {
  if (!ink) {
    element("failure").textContent = "Drawing needs a browser with canvas.";
    element("failure").hidden = false;
    return;
  }
  element("app").hidden = false;
  const longestName = Math.max(...classes.map((name) => name.length));
  document.getElementById("draw").style.setProperty("--names", `min(${longestName + 1}ch, 45%)`);
  pad.width = Math.round(shape.width * scale);
  pad.height = Math.round(shape.height * scale);
  pad.style.width = `${(100 * pad.width) / PAD}%`;
  [keyPen.x, keyPen.y] = [pad.width / 2, pad.height / 2];
  element("models-list").append(...cards.map((card) => card.root));

  pad.addEventListener("pointerdown", startStroke);
  pad.addEventListener("pointermove", continueStroke);
  pad.addEventListener("pointerup", endStroke);
  pad.addEventListener("pointercancel", endStroke);
  pad.addEventListener("keydown", pressKey);
  pad.addEventListener("focus", () => {
    element("pen").hidden = !pad.matches(":focus-visible");
    movePen();
  });
  pad.addEventListener("blur", () => {
    element("pen").hidden = true;
    keyPen.isDown = false;
  });
  element("clear").addEventListener("click", clear);
  element("file").addEventListener("change", (event) => {
    if (event.target.files[0]) openPicture(event.target.files[0]);
    event.target.value = "";
  });
  // A drop beside the drawing area would leave the page.
  const section = document.getElementById("draw");
  section.addEventListener("dragover", (event) => {
    event.preventDefault();
    element("drop").classList.add("draw-over");
  });
  section.addEventListener("dragleave", () => element("drop").classList.remove("draw-over"));
  section.addEventListener("drop", drop);
  for (const slider of ["brightness", "contrast"]) element(slider).addEventListener("input", schedule);
  element("reset").addEventListener("click", () => {
    element("brightness").value = element("contrast").value = 0;
    schedule();
  });
  clear();
  warmUp();
}

/** Classifies a square a few times, so that the browser compiles the functions before the first stroke. */
function warmUp(times = 5) {
  const isInk = (i) => i % PAD > PAD / 3 && i % PAD < PAD / 2 && i > PAD * 70 && i < PAD * 150;
  const values = Uint8Array.from({ length: PAD * PAD }, (_, i) => (isInk(i) ? 255 : 0));
  if (prepares) prepare({ width: PAD, height: PAD, values });
  answerOf(models[0], original);
  if (times > 1) setTimeout(() => warmUp(times - 1));
}

start();
