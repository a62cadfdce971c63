// Converts pictures to the images that a network takes, as mnist-trainer does. A plane is a picture of one channel:
// {width, height, values}.

/** Sides of a prepared image and of the box that its digit is scaled to, and the position of its center of mass. */
const SIDE = 28;
const BOX = 20;
const CENTER = 14;

/** Smallest difference between ink and paper, out of 255. */
const LEAST_CONTRAST = 32;

/** A piece of ink is a speck if the largest piece has more than this many times its pixels. */
const SPECK = 20;

/** Thrown if ink and paper cannot be told apart. */
class Blank extends Error {}

/** Converts RGBA to grayscale with the weights of ITU-R 601-2, in the integer arithmetic of mnist-trainer. */
function grayscale({ width, height, data }) {
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) {
    values[i] = (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 0x8000) >> 16;
  }
  return { width, height, values };
}

/** Returns the red, green and blue planes of RGBA. */
function colorPlanes({ width, height, data }) {
  return [0, 1, 2].map((color) => {
    const values = new Uint8Array(width * height);
    for (let i = 0; i < values.length; i++) values[i] = data[4 * i + color];
    return { width, height, values };
  });
}

/** Converts RGBA to an image of this shape: bytes, channels × height × width. */
function resizedImage(rgba, { channels, height, width }) {
  const planes = channels === 1 ? [grayscale(rgba)] : colorPlanes(rgba);
  const image = new Uint8Array(channels * height * width);
  planes.forEach((plane, channel) => {
    image.set(resize(plane, width, height).values.map(Math.round), channel * height * width);
  });
  return image;
}

/** Cuts the digit out of a picture and converts it to an image like MNIST's, as `predict --prepare` does. */
function prepare(picture) {
  const ink = dropSpecks(sharpen(difference(picture, paperAround(picture))));
  return center(fitIntoBox(ink));
}

/** Fits a plane to the brightness of the border by least squares, and returns it as a function of the position. */
function paperAround({ width, height, values }) {
  const middle = [(width - 1) / 2, (height - 1) / 2];
  const products = [0, 0];
  const squares = [0, 0];
  let count = 0;
  let sum = 0;
  for (let y = 0; y < height; y++) {
    const isEdge = y === 0 || y + 1 === height;
    for (let x = 0; x < width; x += isEdge ? 1 : Math.max(1, width - 1)) {
      const pixel = values[y * width + x];
      count += 1;
      sum += pixel;
      for (const [axis, position] of [x - middle[0], y - middle[1]].entries()) {
        products[axis] += position * pixel;
        squares[axis] += position * position;
      }
    }
  }
  const mean = sum / count;
  const slope = [0, 1].map((axis) => (squares[axis] > 0 ? products[axis] / squares[axis] : 0));
  return (x, y) => mean + slope[0] * (x - middle[0]) + slope[1] * (y - middle[1]);
}

/** Returns by how much each pixel differs from the paper in the direction of the ink, darker or brighter. */
function difference({ width, height, values }, paper) {
  let thirdMoment = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const difference = values[y * width + x] - paper(x, y);
      thirdMoment += difference * difference * difference;
    }
  }
  const sign = thirdMoment < 0 ? -1 : 1;
  const ink = new Uint8Array(values.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) ink[y * width + x] = toByte(sign * (values[y * width + x] - paper(x, y)));
  }
  return { width, height, values: ink };
}

/** Maps paper to 0 and ink to 255, with a ramp between half and one and a half times the threshold. */
function sharpen({ width, height, values }) {
  const threshold = otsu(values);
  return { width, height, values: values.map((byte) => toByte((byte / threshold - 0.5) * 255)) };
}

/** Returns Otsu's threshold: the middle of the means of the two classes with the greatest variance between them. */
function otsu(values) {
  const histogram = new Float64Array(256);
  for (const byte of values) histogram[byte] += 1;
  const sum = histogram.reduce((sum, count, byte) => sum + count * byte, 0);
  let lowCount = 0;
  let lowSum = 0;
  let widest = 0;
  let means = [0, 0];
  for (const [byte, count] of histogram.entries()) {
    lowCount += count;
    lowSum += count * byte;
    const highCount = values.length - lowCount;
    if (lowCount === 0 || highCount === 0) continue;
    const [low, high] = [lowSum / lowCount, (sum - lowSum) / highCount];
    const between = lowCount * highCount * (high - low) ** 2;
    if (between > widest) [widest, means] = [between, [low, high]];
  }
  if (means[1] - means[0] < LEAST_CONTRAST) throw new Blank();
  return (means[0] + means[1]) / 2;
}

/** Removes the pieces of ink that are too small to be strokes. */
function dropSpecks({ width, height, values }) {
  const left = new Uint8Array(values);
  const pieces = [];
  for (let first = 0; first < left.length; first++) {
    if (left[first] > 0) pieces.push(takePiece(left, width, height, first));
  }
  const largest = pieces.reduce((most, piece) => Math.max(most, piece.length), 0);
  const kept = new Uint8Array(values);
  for (const piece of pieces) {
    if (piece.length * SPECK < largest) for (const pixel of piece) kept[pixel] = 0;
  }
  return { width, height, values: kept };
}

/** Removes the piece of ink around a pixel and returns its pixels. Pixels that touch at a corner are connected. */
function takePiece(ink, width, height, first) {
  ink[first] = 0;
  const pixels = [first];
  for (let next = 0; next < pixels.length; next++) {
    const x = pixels[next] % width;
    const y = (pixels[next] - x) / width;
    for (let nearY = Math.max(0, y - 1); nearY < Math.min(height, y + 2); nearY++) {
      for (let nearX = Math.max(0, x - 1); nearX < Math.min(width, x + 2); nearX++) {
        const near = nearY * width + nearX;
        if (ink[near] > 0) {
          ink[near] = 0;
          pixels.push(near);
        }
      }
    }
  }
  return pixels;
}

/** Crops to the ink and scales its longer side to the side of the box. Values are from 0 to 1; the largest is 1. */
function fitIntoBox({ width, height, values }) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (values[y * width + x] === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  if (right < 0) throw new Blank();
  const crop = { width: right - left + 1, height: bottom - top + 1 };
  crop.values = new Float32Array(crop.width * crop.height);
  for (let y = 0; y < crop.height; y++) {
    for (let x = 0; x < crop.width; x++) {
      crop.values[y * crop.width + x] = values[(top + y) * width + left + x] / 255;
    }
  }
  const scale = BOX / Math.max(crop.width, crop.height);
  const [newWidth, newHeight] = [crop.width, crop.height].map((side) => Math.max(1, Math.round(side * scale)));
  const digit = resize(crop, newWidth, newHeight);
  const brightest = digit.values.reduce((most, value) => Math.max(most, value), 0);
  if (brightest === 0) throw new Blank();
  return { ...digit, values: digit.values.map((value) => value / brightest) };
}

/** Moves the digit by whole pixels, so that its center of mass is as near to the center as possible. */
function center({ width, height, values }) {
  let [total, momentX, momentY] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    total += values[i];
    momentX += (i % width) * values[i];
    momentY += Math.floor(i / width) * values[i];
  }
  const offset = (side, moment) => Math.min(Math.max(Math.round(CENTER - moment / total), 0), SIDE - side);
  const [left, top] = [offset(width, momentX), offset(height, momentY)];
  const image = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < values.length; i++) {
    image[(top + Math.floor(i / width)) * SIDE + left + (i % width)] = Math.round(values[i] * 255);
  }
  return image;
}

/**
 * Resizes a plane with linear interpolation: in a smaller picture, each pixel is a weighted mean of all pixels that it
 * covers. The arithmetic is that of the Rust crate `image`, in f32: first the columns, then the rows.
 */
function resize(plane, width, height) {
  if (plane.width === width && plane.height === height) {
    return { width, height, values: new Float32Array(plane.values) };
  }
  return transposed(resizeColumns(transposed(resizeColumns(plane, height)), width));
}

function resizeColumns({ width, height, values }, newHeight) {
  const { fround, max, min, floor, ceil, abs } = Math;
  const ratio = fround(height / newHeight);
  const support = max(1, ratio);
  const result = new Float32Array(width * newHeight);
  for (let row = 0; row < newHeight; row++) {
    const position = fround((row + 0.5) * ratio);
    const first = min(max(floor(fround(position - support)), 0), height - 1);
    const end = min(max(ceil(fround(position + support)), first + 1), height);
    const middle = fround(position - 0.5);
    const weights = new Float32Array(end - first);
    let sum = 0;
    for (let i = first; i < end; i++) {
      const distance = abs(fround(fround(i - middle) / support));
      weights[i - first] = max(0, 1 - distance);
      sum = fround(sum + weights[i - first]);
    }
    for (let i = first; i < end; i++) {
      const weight = fround(weights[i - first] / sum);
      for (let x = 0; x < width; x++) {
        result[row * width + x] += fround(values[i * width + x] * weight);
      }
    }
  }
  return { width, height: newHeight, values: result };
}

function transposed({ width, height, values }) {
  const result = new Float32Array(values.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) result[x * height + y] = values[y * width + x];
  }
  return { width: height, height: width, values: result };
}

/** Rounds to a byte, as a cast in Rust does: numbers beyond the range become 0 or 255. */
function toByte(value) {
  return Math.min(Math.max(Math.round(value), 0), 255);
}
